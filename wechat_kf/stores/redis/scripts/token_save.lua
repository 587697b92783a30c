-- Keep a token, unless the one that is there lives longer.
--
-- A holder whose lease ran out may come late with an older token: then the newer one stays. But the holder of the
-- lease has found that the one there is of no use, however long it is said to live, and replaces it.
--
-- KEYS[1]  the token
-- KEYS[2]  the lease
-- ARGV[1]  the new token
-- ARGV[2]  its remaining milliseconds
-- ARGV[3]  the caller's mark on the lease, or ''
--
-- Returns 1 if the token was kept, else 0.
if redis.call('GET', KEYS[2]) ~= ARGV[3] and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
