-- Mark a push as replied to, before its passive reply is written.
--
-- KEYS[1]  the push
-- KEYS[2]  the owners
-- KEYS[3]  the bytes of its reply
-- ARGV[1]  the push
-- ARGV[2]  "worker openid"
-- ARGV[3]  the attempt
-- ARGV[4]  the number of the delivery that is answered
-- ARGV[5]  the bytes
-- ARGV[6]  milliseconds that they are kept
--
-- Returns 1 if it may be written; 0 if not; 2 if Redis does not know the push.
local owner = redis.call('HGET', KEYS[2], ARGV[1])
if not owner and redis.call('EXISTS', KEYS[1]) == 0 then return 2 end
local attempt, requests = unpack(redis.call('HMGET', KEYS[1], 'attempt', 'requests'))
if owner ~= ARGV[2] or attempt ~= ARGV[3] or requests ~= ARGV[4] then return 0 end
redis.call('SET', KEYS[3], ARGV[5], 'PX', ARGV[6])
redis.call('HSET', KEYS[1], 'state', 'replying')
return 1
