// The guide's "Request/Response Logging"; `generateRequestId`, which it calls and never defines, is Node's randomUUID.
const { randomUUID: generateRequestId } = require('node:crypto');
const logger = require('./logger');

function logApiRequest(req, res, next) {
  const startTime = Date.now();
  const requestId = req.headers['x-request-id'] || generateRequestId();

  // Log incoming request
  logger.info('API Request Started', {
    requestId,
    method: req.method,
    url: req.url,
    headers: sanitizeHeaders(req.headers),
    body: sanitizeBody(req.body),
    ip: req.ip
  });

  // Override res.end to log response
  const originalEnd = res.end;
  res.end = function(chunk, encoding) {
    const duration = Date.now() - startTime;

    logger.info('API Request Completed', {
      requestId,
      statusCode: res.statusCode,
      duration,
      responseSize: chunk ? chunk.length : 0
    });

    originalEnd.call(this, chunk, encoding);
  };

  next();
}

function sanitizeHeaders(headers) {
  const sensitive = ['authorization', 'x-api-key', 'cookie'];
  const sanitized = { ...headers };

  sensitive.forEach(key => {
    if (sanitized[key]) {
      sanitized[key] = '[REDACTED]';
    }
  });

  return sanitized;
}

function sanitizeBody(body) {
  if (!body) return body;

  const sensitive = ['password', 'token', 'secret', 'key'];
  const sanitized = { ...body };

  sensitive.forEach(key => {
    if (sanitized[key]) {
      sanitized[key] = '[REDACTED]';
    }
  });

  return sanitized;
}

module.exports = logApiRequest;
