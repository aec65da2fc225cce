-- One row per site: its score, rank and colour, how far it is behind, and what of it is missing.
WITH weighed AS (
  -- What was never reported counts as nothing; what has too few cases is left out.
  SELECT
    site_code,
    CAST(SUM(weight) AS BIGINT) AS weight,
    CAST(
      SUM(CASE WHEN state = 'counted' THEN weight * CAST(100 * value AS BIGINT) ELSE 0 END)
      AS BIGINT
    ) AS points,
    COUNT(*) FILTER (WHERE state = 'counted') AS counted_cnt
  FROM city.assessment
  WHERE is_rate
    AND weight > 0
    AND state <> 'small_sample'
  GROUP BY site_code
),
scored AS (
  SELECT
    site_code,
    weight,
    CAST((2 * points + weight) // (2 * weight) * 0.01 AS DECIMAL(5, 2)) AS score
  FROM weighed
  -- Of a site of which nothing could be counted there is nothing to be scored.
  WHERE counted_cnt > 0
),
ranked AS (
  SELECT
    site_code,
    weight,
    score,
    RANK() OVER (ORDER BY score DESC) AS rank,
    COUNT(*) OVER () AS ranked_cnt
  FROM scored
),
reports AS (
  SELECT
    site_code,
    COUNT(*) FILTER (WHERE is_due) AS due_cnt,
    COUNT(*) FILTER (WHERE is_on_time) AS on_time_cnt,
    COUNT(*) FILTER (WHERE state = 'late') AS late_cnt,
    COUNT(*) FILTER (WHERE is_missing) AS missing_cnt,
    COUNT(*) FILTER (WHERE pending = 'held') AS waiting_cnt,
    COUNT(*) FILTER (WHERE pending = 'rejected') AS rejected_cnt,
    MIN(CASE WHEN is_missing THEN missing_since_day END) AS missing_since_day
  FROM city.report_by_site
  GROUP BY site_code
),
feeds AS (
  SELECT
    site_code,
    COUNT(*) FILTER (WHERE is_listed) AS item_cnt,
    COUNT(*) FILTER (WHERE is_mounted) AS mounted_cnt,
    COUNT(*) FILTER (WHERE is_update_promised AND NOT is_on_time) AS lagging_cnt,
    COUNT(*) FILTER (WHERE is_held) AS held_cnt
  FROM city.feed_by_site
  GROUP BY site_code
)
SELECT
  site.site_code,
  site.site_name,
  CAST(:day AS DATE) AS day,
  site.newest_day,
  site.days_behind,
  site.missing_since_day,
  site.is_never_reported,
  site.last_received_at,
  COALESCE(reports.due_cnt, 0) AS due_cnt,
  COALESCE(reports.on_time_cnt, 0) AS on_time_cnt,
  COALESCE(reports.late_cnt, 0) AS late_cnt,
  COALESCE(reports.missing_cnt, 0) AS missing_cnt,
  reports.missing_since_day AS report_missing_since_day,
  COALESCE(reports.waiting_cnt, 0) AS waiting_cnt,
  COALESCE(reports.rejected_cnt, 0) AS rejected_cnt,
  COALESCE(feeds.item_cnt, 0) AS item_cnt,
  COALESCE(feeds.mounted_cnt, 0) AS mounted_cnt,
  COALESCE(feeds.lagging_cnt, 0) AS lagging_cnt,
  COALESCE(feeds.held_cnt, 0) AS held_cnt,
  ranked.score,
  ranked.weight AS scored_weight,
  ranked.rank,
  ranked.ranked_cnt,
  tier.tier,
  tier.title AS tier_title,
  tier.coefficient
FROM city.site AS site
LEFT JOIN reports ON reports.site_code = site.site_code
LEFT JOIN feeds ON feeds.site_code = site.site_code
LEFT JOIN ranked ON ranked.site_code = site.site_code
LEFT JOIN ops.tier AS tier
  ON ranked.score >= tier.from_score
  AND ranked.score < tier.below_score
ORDER BY site_code
