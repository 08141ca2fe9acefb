// The guide's "Winston Logger Configuration". Differs from it only where a test must: directory and file sizes come
// from the environment, and `app` is handed in (the guide uses one it never made).
const winston = require('winston');

const maxsize = Number(process.env.LOG_MAX_SIZE || 5242880);
const maxFiles = Number(process.env.LOG_MAX_FILES || 5);
const directory = process.env.LOG_DIR || 'logs';
const tailable = process.env.LOG_TAILABLE === '1';

// Define log format
const logFormat = winston.format.combine(
  winston.format.timestamp(),
  winston.format.errors({ stack: true }),
  winston.format.json(),
  winston.format.printf(({ timestamp, level, message, ...meta }) => {
    return JSON.stringify({
      timestamp,
      level: level.toUpperCase(),
      message,
      service: 'halopsa-integration',
      version: process.env.npm_package_version,
      ...meta
    });
  })
);

// Create logger instance
const logger = winston.createLogger({
  level: process.env.LOG_LEVEL || 'info',
  format: logFormat,
  defaultMeta: { service: 'halopsa-integration' },
  transports: [
    // Console transport for development
    new winston.transports.Console({
      format: winston.format.combine(
        winston.format.colorize(),
        winston.format.simple()
      )
    }),

    // File transport for production
    new winston.transports.File({
      filename: `${directory}/error.log`,
      level: 'error',
      maxsize,
      maxFiles,
      tailable
    }),

    new winston.transports.File({
      filename: `${directory}/combined.log`,
      maxsize,
      maxFiles,
      tailable
    })
  ]
});

// Add request logging middleware
logger.requestLogging = (req, res, next) => {
  const start = Date.now();
  res.on('finish', () => {
    const duration = Date.now() - start;
    logger.info('HTTP Request', {
      method: req.method,
      url: req.url,
      status: res.statusCode,
      duration,
      ip: req.ip,
      userAgent: req.get('User-Agent')
    });
  });
  next();
};

module.exports = logger;
