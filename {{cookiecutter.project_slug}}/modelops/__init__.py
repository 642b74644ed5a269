"""The library behind the pipeline, the commands and the service. Teams rarely edit it; `cruft update` does."""
