-- Read a part of a journal that was taken, so that a long one does not hold up Redis.
--
-- KEYS[1]  the journal
-- ARGV[1]  where the last part ended, or 0
-- ARGV[2]  about how many entries to read
--
-- Returns {where it ended, or 0 if that was the last part, {field, value, ...}}.
return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
