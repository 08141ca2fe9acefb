// The guide's "Application Metrics" and "Business Metrics".
const promClient = require('prom-client');

// Enable default metrics collection
const collectDefaultMetrics = promClient.collectDefaultMetrics;
collectDefaultMetrics({ timeout: 5000 });

// Custom metrics
const httpRequestTotal = new promClient.Counter({
  name: 'http_requests_total',
  help: 'Total number of HTTP requests',
  labelNames: ['method', 'route', 'status_code']
});

const httpRequestDuration = new promClient.Histogram({
  name: 'http_request_duration_seconds',
  help: 'Duration of HTTP requests in seconds',
  labelNames: ['method', 'route'],
  buckets: [0.1, 0.5, 1, 2, 5, 10]
});

const activeConnections = new promClient.Gauge({
  name: 'active_connections',
  help: 'Number of active connections'
});

const leadSyncTotal = new promClient.Counter({
  name: 'lead_sync_total',
  help: 'Total number of lead synchronization operations',
  labelNames: ['source', 'status']
});

const queueSize = new promClient.Gauge({
  name: 'queue_size',
  help: 'Current queue size',
  labelNames: ['queue_name']
});

const leadsCreated = new promClient.Counter({
  name: 'leads_created_total',
  help: 'Total number of leads created',
  labelNames: ['source']
});

const opportunitiesCreated = new promClient.Counter({
  name: 'opportunities_created_total',
  help: 'Total number of opportunities created',
  labelNames: ['value_range']
});

// Update metrics functions
function recordLeadCreated(source) {
  leadsCreated.inc({ source });
}

function recordOpportunityCreated(value) {
  const range = getValueRange(value);
  opportunitiesCreated.inc({ value_range: range });
}

function getValueRange(value) {
  if (value < 25000) return '0-25k';
  if (value < 50000) return '25k-50k';
  if (value < 100000) return '50k-100k';
  if (value < 250000) return '100k-250k';
  return '250k+';
}

function install(app) {
  // Middleware to collect HTTP metrics
  app.use((req, res, next) => {
    const start = Date.now();

    res.on('finish', () => {
      const duration = (Date.now() - start) / 1000;

      httpRequestTotal.inc({
        method: req.method,
        route: req.route?.path || req.path,
        status_code: res.statusCode
      });

      httpRequestDuration.observe({
        method: req.method,
        route: req.route?.path || req.path
      }, duration);
    });

    next();
  });

  // Metrics endpoint
  app.get('/metrics', async (req, res) => {
    res.set('Content-Type', promClient.register.contentType);
    res.end(await promClient.register.metrics());
  });
}

module.exports = {
  install, activeConnections, leadSyncTotal, queueSize, recordLeadCreated, recordOpportunityCreated
};
