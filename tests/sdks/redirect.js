// The same for Node.js: `node --require redirect.js SCRIPT`, with the port in STAND_IN_PORT.
'use strict';

const tls = require('tls');

const connect = tls.connect;
tls.connect = (options, ...rest) => {
  if (options.host === 'api.weixin.qq.com') {
    options = { ...options, servername: options.host, host: '127.0.0.1', port: Number(process.env.STAND_IN_PORT) };
  }
  return connect(options, ...rest);
};
