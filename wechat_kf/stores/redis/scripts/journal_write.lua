-- Write an entry of a row, if the journal is still the run's and Redis has lost nothing of it.
--
-- A run has a higher number than those before it, and the count of entries only grows: where they are lower than the
-- writer knows, Redis was restarted or went back to an older copy. That is noted, so that no run goes on from it.
--
-- KEYS[1]  the journal
-- ARGV[1]  the run's mark
-- ARGV[2]  its number
-- ARGV[3]  the highest count of entries that it has heard
-- ARGV[4]  the index of the row
-- ARGV[5]  the entry
-- ARGV[6]  milliseconds that the journal is kept
--
-- Returns how many entries were ever written; 0 if a later run has the journal; -1 if entries are lost.
local run, runs, writes, lost = unpack(redis.call('HMGET', KEYS[1], 'run', 'runs', 'writes', 'lost'))
if lost then return -1 end
if run ~= ARGV[1] and tonumber(runs or 0) > tonumber(ARGV[2]) then return 0 end
local count = -1
if run ~= ARGV[1] or tonumber(writes or 0) < tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], 'lost', 1)
else
    redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
    count = redis.call('HINCRBY', KEYS[1], 'writes', 1)
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return count
