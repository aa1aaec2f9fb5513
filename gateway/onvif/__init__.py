"""SOAP operations, one module per service: domain values to ONVIF's and back."""
