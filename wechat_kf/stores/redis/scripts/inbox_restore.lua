-- Tell Redis of a push that a worker holds, should it not know: it was restarted, or away when the push came.
--
-- KEYS[1]  the push
-- KEYS[2]  the owners
-- KEYS[3]  the customer's queue
-- KEYS[4]  the workers
-- ARGV[1]  the push
-- ARGV[2]  "worker openid"
-- ARGV[3]  milliseconds that a push under way is kept
-- ARGV[4]  the payload
-- ARGV[5]  1 if it does not queue
-- ARGV[6]  the attempt
-- ARGV[7]  the state
-- ARGV[8]  how many messages it was marked for
-- ARGV[9]  its age in milliseconds
-- ARGV[10] milliseconds after which a silent worker counts as dead
--
-- Returns 1 if the worker holds it, else 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- There may be thousands to tell of, which takes longer than the worker may be silent.
redis.call('HSET', KEYS[4], string.match(ARGV[2], '^%S+'), now + ARGV[10])
local owner = redis.call('HGET', KEYS[2], ARGV[1])
if owner and owner ~= ARGV[2] then return 0 end
if owner then
    -- What was done while Redis was away.
    if ARGV[7] ~= 'handling' then redis.call('HSET', KEYS[1], 'state', ARGV[7], 'messages', ARGV[8]) end
    return 1
end
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[7], 'requests', 1, 'last', '', 'attempt', ARGV[6], 'messages', ARGV[8],
    'since', now - ARGV[9], 'payload', ARGV[4], 'at_once', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if ARGV[5] ~= '1' then
    redis.call('RPUSH', KEYS[3], ARGV[1])
    redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
return 1
