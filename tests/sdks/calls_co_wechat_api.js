// co-wechat-api: an account, its picture, a file, a message.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const WechatAPI = require('co-wechat-api');

const [appid, secret, openid] = process.argv.slice(2);
const api = new WechatAPI(appid, secret);

(async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sdks-'));
  const picture = path.join(folder, 'a.jpg');
  fs.writeFileSync(picture, Buffer.from('ffd8ffe000104a46494600ffd9', 'hex'));
  await api.addKfAccount('cowechat@test', 'co-wechat');
  await api.setKfAccountAvatar('cowechat@test', picture);
  const { media_id } = await api.uploadImageMedia(picture);
  await api.sendImage(openid, media_id);
  await api.sendText(openid, 'co-wechat-api');
  fs.rmSync(folder, { recursive: true });
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
