-- Release a lease if it is still the caller's: it may have passed to another meanwhile.
--
-- KEYS[1]  the lease
-- ARGV[1]  the caller's mark
--
-- Returns 1 if it was released, else 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
