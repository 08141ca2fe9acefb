// The guide's "Comprehensive Health Check Endpoint", with its mistakes (the database's response_time is an epoch).
// `pool`, `axios` and the checks that it names and never defines are stubs: `down` holds the names that fail.
const express = require('express');
const router = express.Router();

const down = new Set();
const answer = async (name) => {
  if (down.has(name)) throw new Error(`connect ECONNREFUSED ${name}`);
  return { config: {} };
};
const pool = { query: () => answer('database') };
const axios = { get: (url) => answer(url.replace('stub://', '').split('/')[0]) };
const getValidToken = async () => 'stub';

router.get('/health', async (req, res) => {
  const health = {
    status: 'healthy',
    timestamp: new Date().toISOString(),
    version: process.env.npm_package_version,
    uptime: process.uptime(),
    checks: {}
  };

  try {
    // Database health check
    health.checks.database = await checkDatabaseHealth();

    // External API health checks
    health.checks.halopsa = await checkHaloPSAHealth();
    health.checks.apollo = await checkApiHealth('apollo');
    health.checks.zoominfo = await checkApiHealth('zoominfo');

    // Queue health check
    health.checks.queue = { status: 'healthy' };

    // Memory and CPU checks
    health.checks.system = checkSystemHealth();

    // Determine overall status
    const unhealthyChecks = Object.values(health.checks).filter(check =>
      check.status === 'unhealthy'
    );

    if (unhealthyChecks.length > 0) {
      health.status = 'unhealthy';
      res.status(503);
    }

  } catch (error) {
    health.status = 'unhealthy';
    health.error = error.message;
    res.status(503);
  }

  res.json(health);
});

async function checkDatabaseHealth() {
  try {
    await pool.query('SELECT 1');
    return { status: 'healthy', response_time: Date.now() };
  } catch (error) {
    return { status: 'unhealthy', error: error.message };
  }
}

async function checkHaloPSAHealth() {
  try {
    const response = await axios.get('stub://halopsa/api/me', {
      headers: { Authorization: `Bearer ${await getValidToken()}` },
      timeout: 5000
    });
    return {
      status: 'healthy',
      response_time: response.config.metadata?.duration || 0
    };
  } catch (error) {
    return { status: 'unhealthy', error: error.message };
  }
}

async function checkApiHealth(name) {
  try {
    await axios.get(`stub://${name}/health`, { timeout: 5000 });
    return { status: 'healthy', response_time: 12 };
  } catch (error) {
    return { status: 'unhealthy', error: error.message };
  }
}

function checkSystemHealth() {
  const memUsage = process.memoryUsage();
  const cpuUsage = process.cpuUsage();

  return {
    status: 'healthy',
    memory: {
      rss: Math.round(memUsage.rss / 1024 / 1024),
      heapUsed: Math.round(memUsage.heapUsed / 1024 / 1024),
      heapTotal: Math.round(memUsage.heapTotal / 1024 / 1024)
    },
    cpu: {
      user: cpuUsage.user / 1000,
      system: cpuUsage.system / 1000
    }
  };
}

module.exports = { router, down };
