-- Take a journal for a run; the run that had it can write nothing more.
--
-- KEYS[1]  the journal: a hash, the index of a row -> its last entry, and besides 'head', 'run', 'runs', 'writes', 'lost'
-- ARGV[1]  the head, which a new journal gets
-- ARGV[2]  the run's mark
-- ARGV[3]  milliseconds that the journal is kept
--
-- Returns {the head, 1 if entries are known to be lost, the run's number}; the journal is taken only if the head is
-- the same and nothing is lost.
local head, lost = unpack(redis.call('HMGET', KEYS[1], 'head', 'lost'))
if lost or (head and head ~= ARGV[1]) then return {head or '', lost and 1 or 0, 0} end
if not head and redis.call('EXISTS', KEYS[1]) == 1 then return {'', 0, 0} end
redis.call('HSET', KEYS[1], 'head', ARGV[1], 'run', ARGV[2])
local number = redis.call('HINCRBY', KEYS[1], 'runs', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {ARGV[1], 0, number}
