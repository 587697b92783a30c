-- Note a delivery of a push. A new one becomes the worker's, at the end of its customer's queue.
--
-- KEYS[1]  the push: a hash
-- KEYS[2]  the owners of all pushes under way: a hash, push -> "worker openid"
-- KEYS[3]  the customer's queue: a list of pushes
-- KEYS[4]  the workers: a hash, worker -> the time until which it counts as alive
-- KEYS[5]  the bytes of the push's passive reply
-- KEYS[6]  the customer's allowance
-- KEYS[7]  the news: a stream
-- ARGV[1]  the push
-- ARGV[2]  the worker
-- ARGV[3]  the openid
-- ARGV[4]  a mark of this delivery: redis-py repeats a command whose answer was lost
-- ARGV[5]  milliseconds after which a silent worker counts as dead
-- ARGV[6]  milliseconds that a push under way is kept
-- ARGV[7]  the payload
-- ARGV[8]  1 if the push does not queue
-- ARGV[9]  1 if the others in the queue are to be interrupted
-- ARGV[10] how many messages it allows, or 0
-- ARGV[11] for how many milliseconds
-- ARGV[12] 1 if the worker knows that it holds the push, or is taking it over
--
-- Returns {1 if the push is the worker's to handle, the number of the delivery, the attempt, 1 if it is its turn,
-- the reply or false, 1 if the worker was not known, {the worker's own pushes that are interrupted}}.
local push, owners, queue, workers, reply, allowance, news = unpack(KEYS)
local key, worker, openid, mark = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local mine = worker .. ' ' .. openid

local function is_first()
    while true do
        local head = redis.call('LINDEX', queue, 0)
        if not head or head == key then return 1 end
        if redis.call('HEXISTS', owners, head) == 1 then return 0 end
        redis.call('LPOP', queue)
    end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_unknown = redis.call('HSETNX', workers, worker, now + ARGV[5])

local state, requests, last, attempt, at_once =
    unpack(redis.call('HMGET', push, 'state', 'requests', 'last', 'attempt', 'at_once'))
if state then
    local is_same = last == mark
    -- It is the worker's, which does not know: the answer was lost. What was being answered is not handled again.
    local is_given = state == 'handling' and redis.call('HGET', owners, key) == mine
        and (is_same or ARGV[12] ~= '1')
    if not is_same then
        requests = redis.call('HINCRBY', push, 'requests', 1)
        redis.call('HSET', push, 'last', mark)
    end
    local bytes = redis.call('GET', reply)
    if bytes then redis.call('HSET', push, 'repeated', 1) end
    if not is_given then return {0, tonumber(requests), 0, 0, bytes, is_unknown, {}} end
    local turn = at_once == '1' and 1 or is_first()
    return {1, tonumber(requests), tonumber(attempt), turn, bytes, is_unknown, {}}
end

redis.call('HSET', push, 'state', 'handling', 'requests', 1, 'last', mark, 'attempt', 1, 'messages', 0, 'since', now,
    'payload', ARGV[7], 'at_once', ARGV[8])
redis.call('PEXPIRE', push, ARGV[6])
redis.call('HSET', owners, key, mine)
redis.call('PEXPIRE', owners, ARGV[6])

if tonumber(ARGV[10]) > 0 then
    local left, life = tonumber(redis.call('GET', allowance) or 0), redis.call('PTTL', allowance)
    redis.call('SET', allowance, math.max(left, ARGV[10]), 'PX', math.max(life, ARGV[11]))
end

local interrupted = {}
if ARGV[9] == '1' then
    for _, other in ipairs(redis.call('LRANGE', queue, 0, -1)) do
        local owner = string.match(redis.call('HGET', owners, other) or '', '^%S+')
        if owner == worker then
            interrupted[#interrupted + 1] = other
        elseif owner then
            redis.call('XADD', news, 'MAXLEN', '~', 1000, '*', 'worker', owner, 'news', 'interrupt', 'push', other)
            redis.call('PEXPIRE', news, ARGV[6])
        end
    end
end

local turn = 1
if ARGV[8] ~= '1' then
    redis.call('RPUSH', queue, key)
    redis.call('PEXPIRE', queue, ARGV[6])
    turn = is_first()
end
return {1, 1, 1, turn, false, is_unknown, interrupted}
