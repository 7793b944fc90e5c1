"""The JSON edge: parse, call a service, answer in the envelope."""
