"""Going wrong on demand: the catalogue of faults, and the plan that says which befalls which request."""
