// A message sent with co-wechat-api; commands in, figures out, as in _senders.py.
'use strict';

const readline = require('readline');
const WechatAPI = require('co-wechat-api');

const base = process.argv[2];

async function measure(command) {
  const api = new WechatAPI('wx0123456789abcdef', '0123456789abcdef0123456789abcdef');
  api.prefix = `${base}/cgi-bin/`;
  const send = async () => {
    const answer = await api.sendText('oDF3iY9WMaswOPWjCIp_f3Bnpljk', '您好，有什么可以帮您？');
    if (answer.errcode !== 0) throw new Error('the answer is not the one expected');
  };
  await send();
  for (let i = 0; i < 2; i++) await Promise.all(Array.from({ length: command.at_once }, send));
  let done = 0;
  const least = 3 * command.at_once;
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - start) / 1e9;
  const repeat = async () => {
    while (done < least || elapsed() < command.seconds) {
      await send();
      done++;
    }
  };
  await Promise.all(Array.from({ length: command.at_once }, repeat));
  const wall = elapsed();
  const used = process.cpuUsage(cpu);
  return { count: done, cpu: (used.user + used.system) / 1e6, wall };
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await measure(JSON.parse(line))));
  }
})();
