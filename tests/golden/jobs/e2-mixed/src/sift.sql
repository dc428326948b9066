select day from AMACONTEXT_gather_wet READAS parquet
