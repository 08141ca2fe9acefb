"""Halo Ops: an operations dashboard for the HaloPSA CRM integration."""
