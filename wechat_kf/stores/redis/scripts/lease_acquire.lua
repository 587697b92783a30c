-- Take a lease that nobody holds.
--
-- redis-py repeats a command whose answer was lost, so a lease that is the caller's already is its own.
--
-- KEYS[1]  the lease
-- ARGV[1]  the caller's mark
-- ARGV[2]  milliseconds for which it is held
--
-- Returns 1 if the caller holds it, else 0.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
