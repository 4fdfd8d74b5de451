"""A spec -> what another library's config.json says of it: the importer's mapping, backwards."""
