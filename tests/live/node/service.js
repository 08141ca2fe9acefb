// A small integration on the guide's own code: leads come in over HTTP, some fail. Prints its port on one line of JSON.
const express = require('express');
const logger = require('./logger');
const logApiRequest = require('./requests');
const BusinessLogger = require('./business');
const metrics = require('./metrics');
const health = require('./health');

const app = express();
app.use(express.json());
app.use(logger.requestLogging);
metrics.install(app); // before the next line: /metrics is scraped all the time and not a request to the API
app.use(health.router);
app.use('/api', logApiRequest);

app.post('/api/leads', (req, res) => {
  metrics.recordLeadCreated(req.body.source);
  BusinessLogger.leadCreated(req.body, req.body.source);
  res.status(201).json({ id: req.body.id });
});

app.get('/api/leads/:id', (req, res) => {
  res.json({ id: req.params.id });
});

app.post('/api/leads/:id/fail', (req, res) => {
  BusinessLogger.errorOccurred('lead.sync', new Error(`lead ${req.params.id} was refused`), { leadId: req.params.id });
  res.status(500).json({ error: 'refused' });
});

app.put('/stub/:name', (req, res) => {
  if (req.body.down) health.down.add(req.params.name);
  else health.down.delete(req.params.name);
  res.status(204).end();
});

const server = app.listen(Number(process.env.PORT || 0), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});

// The guide ends without a word, and Winston then loses what it has not written: here every line is on disk at the end.
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => {
    const waiting = logger.transports.filter((transport) => transport.filename).map(
      (transport) => new Promise((resolve) => transport.once('finish', resolve))
    );
    logger.end();
    Promise.all(waiting).then(() => process.exit(0));
  });
});
