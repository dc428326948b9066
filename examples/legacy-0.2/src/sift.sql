SELECT line,  stop, minutes, 'Of Interest' AS remark
FROM AMACONTEXT_collect_delays READAS parquet
WHERE minutes > ${env.threshold}
