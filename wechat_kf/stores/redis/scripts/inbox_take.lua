-- Take over the push of a dead worker, at the place that it has.
--
-- KEYS[1]  the push
-- KEYS[2]  the owners
-- KEYS[3]  the customer's queue
-- KEYS[4]  the workers
-- KEYS[5]  the bytes of its passive reply
-- ARGV[1]  the push
-- ARGV[2]  the worker that takes it
-- ARGV[3]  the openid
-- ARGV[4]  the worker that had it: dead, or '-' if it was given away, or the one that takes it and did not know
-- ARGV[5]  milliseconds after which a push is not handled any more
-- ARGV[6]  the last attempt
--
-- Returns false if it is not to be had; else {its state, the attempt, the payload, 1 if it is its turn, the number of
-- the last delivery, 1 if it does not queue, how many messages it was marked for, its age in milliseconds, its reply or
-- false}. The state is 'orphan' if it is to be handled again. Else the worker tells what was lost, and settles it.
local push, owners, queue, workers, reply = unpack(KEYS)
local key, worker, openid, former = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('HGET', owners, key) ~= former .. ' ' .. openid then return false end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if former ~= worker and tonumber(redis.call('HGET', workers, former) or -1) >= now then return false end

local state, attempt, payload, requests, at_once, messages, since =
    unpack(redis.call('HMGET', push, 'state', 'attempt', 'payload', 'requests', 'at_once', 'messages', 'since'))
if not payload then
    redis.call('HDEL', owners, key)
    redis.call('LREM', queue, 1, key)
    return {'gone'}
end
redis.call('HSET', owners, key, worker .. ' ' .. openid)
local age = now - since
local may_again = former == '-' or former == worker or tonumber(attempt) < tonumber(ARGV[6])
local turn = 0
if state == 'handling' and may_again and age < tonumber(ARGV[5]) then
    state = 'orphan'
    while at_once ~= '1' do
        local head = redis.call('LINDEX', queue, 0)
        if not head or head == key or redis.call('HEXISTS', owners, head) == 1 then
            turn = head == key and 1 or 0
            break
        end
        redis.call('LPOP', queue)
    end
    if at_once == '1' then turn = 1 end
    if turn == 1 then attempt = redis.call('HINCRBY', push, 'attempt', 1) end
end
return {state, tonumber(attempt), payload, turn, tonumber(requests), tonumber(at_once), tonumber(messages), age,
    redis.call('GET', reply)}
