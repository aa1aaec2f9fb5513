"""A headless recorder: takes in IP cameras and shows them to any VMS as one ONVIF device."""
