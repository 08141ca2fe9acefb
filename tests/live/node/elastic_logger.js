// winston-elasticsearch as its own documentation sets it up, fed by one record per line of standard input.
// FLAT=1: with the transformer that teams write to keep their fields at top level, as the guide's records are.
const readline = require('readline');
const winston = require('winston');
const { ElasticsearchTransport } = require('winston-elasticsearch');

const flat = ({ message, level, timestamp, meta }) => ({ ...meta, '@timestamp': timestamp, message, level });
const transport = new ElasticsearchTransport({
  level: 'debug',
  indexPrefix: process.env.INDEX_PREFIX,
  clientOpts: { node: process.env.ELASTICSEARCH },
  ensureIndexTemplate: false, // mapped dynamically
  flushInterval: 20000, // also how long a busy cluster has for the first index; the end of the input flushes at once
  ...(process.env.FLAT === '1' ? { transformer: flat } : {}),
});
const failed = (error) => { console.error(error); process.exitCode = 1; };
transport.on('warning', failed);
transport.on('error', failed);
const logger = winston.createLogger({ level: 'debug', transports: [transport] });

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { level, ...record } = JSON.parse(line);
  logger.log({ ...record, level: level.toLowerCase() });
});
lines.on('close', () => {
  logger.on('finish', () => process.exit());
  logger.end();
});
