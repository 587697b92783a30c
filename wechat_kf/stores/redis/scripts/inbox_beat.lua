-- A worker's heartbeat: it says that it lives, and hears whose turn it is and what dead workers hold.
--
-- KEYS[1]  the workers
-- KEYS[2]  the owners
-- KEYS[3]  and so on: the queues in which pushes of the worker wait
-- ARGV[1]  the worker
-- ARGV[2]  milliseconds after which a silent worker counts as dead
-- ARGV[3]  milliseconds that the workers are kept
-- ARGV[4]  what to look for. 0: nothing; 1: what was given away; 2: also what the dead hold, if a worker is dead;
--          3: the same, in any case
-- ARGV[5]  1 if the worker's own pushes are to be listed, too
-- ARGV[6]  how many pushes to list at most
--
-- Returns {0 if the last beat was in time, 1 if it was not, 2 if the worker was not known,
-- {the first push of each queue}, {push, "worker openid", ... of the dead, and the worker's own}}.
local workers, owners, worker = KEYS[1], KEYS[2], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_when = tonumber(redis.call('HGET', workers, worker) or -1)
-- Workers beat three times in the time that they may be silent. A beat that comes more than one late tells of a pause
-- by which others may look dead that are not: of a shorter one nobody dies.
local late = until_when < 0 and 2 or (until_when - now < ARGV[2] / 3 and 1 or 0)
redis.call('HSET', workers, worker, now + ARGV[2])
redis.call('PEXPIRE', workers, ARGV[3])

-- Where Redis or the worker was away, the others may have been, too, and are given the time to come back.
local sweeps = math.min(ARGV[4], late == 0 and 3 or 1)

local heads = {}
for at = 3, #KEYS do
    while true do
        local head = redis.call('LINDEX', KEYS[at], 0)
        if not head then break end
        if redis.call('HEXISTS', owners, head) == 1 then
            heads[#heads + 1] = head
            break
        end
        redis.call('LPOP', KEYS[at])
    end
end

local found, alive, dead = {}, {}, {}
local looks = sweeps == 3 or ARGV[5] == '1' or (sweeps == 1 and redis.call('HEXISTS', workers, '-') == 1)
if sweeps > 1 then
    local all = redis.call('HGETALL', workers)
    for at = 1, #all, 2 do
        if tonumber(all[at + 1]) >= now then alive[all[at]] = true else dead[#dead + 1] = all[at] end
    end
    looks = looks or #dead > 0
end
if looks then
    local all, is_left = redis.call('HGETALL', owners), {}
    for at = 1, #all, 2 do
        local owner = string.match(all[at + 1], '^%S+')
        local is_dead = (sweeps > 1 and not alive[owner]) or (sweeps == 1 and owner == '-')
        if is_dead then is_left[owner] = true end
        if (is_dead or (ARGV[5] == '1' and owner == worker)) and #found < 2 * ARGV[6] then
            found[#found + 1] = all[at]
            found[#found + 1] = all[at + 1]
        end
    end
    for _, name in ipairs(dead) do
        if not is_left[name] then redis.call('HDEL', workers, name) end
    end
end
return {late, heads, found}
