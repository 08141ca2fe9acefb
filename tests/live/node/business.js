// The guide's "Business Event Logging", as it stands there.
const logger = require('./logger');

class BusinessLogger {
  static leadCreated(leadData, source) {
    logger.info('Lead Created', {
      event: 'lead.created',
      leadId: leadData.id,
      source,
      company: leadData.company,
      email: leadData.email,
      timestamp: new Date().toISOString()
    });
  }

  static leadConverted(leadId, prospectId) {
    logger.info('Lead Converted to Prospect', {
      event: 'lead.converted',
      leadId,
      prospectId,
      timestamp: new Date().toISOString()
    });
  }

  static opportunityCreated(opportunityData) {
    logger.info('Opportunity Created', {
      event: 'opportunity.created',
      opportunityId: opportunityData.id,
      value: opportunityData.value,
      probability: opportunityData.probability,
      expectedCloseDate: opportunityData.expected_close_date
    });
  }

  static syncCompleted(source, stats) {
    logger.info('Data Synchronization Completed', {
      event: 'sync.completed',
      source,
      stats: {
        processed: stats.processed,
        successful: stats.successful,
        failed: stats.failed,
        duration: stats.duration
      }
    });
  }

  static errorOccurred(operation, error, context = {}) {
    logger.error('Operation Failed', {
      event: 'operation.error',
      operation,
      error: error.message,
      stack: error.stack,
      ...context
    });
  }
}

module.exports = BusinessLogger;
