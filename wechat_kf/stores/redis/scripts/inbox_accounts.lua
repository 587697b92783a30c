-- Add an account to those of a bot, and list them.
--
-- KEYS[1]  the set of the bot's accounts
-- ARGV[1]  milliseconds that it is kept
-- ARGV[2]  an account to add, or ''
--
-- Returns the accounts.
if ARGV[2] ~= '' then
    redis.call('SADD', KEYS[1], ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return redis.call('SMEMBERS', KEYS[1])
