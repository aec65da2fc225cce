-- Each site's own totals (all towns, both sexes, all ages), and the sum of those that have one.
WITH newest AS (
  SELECT
    site_code,
    MAX(period) AS period
  FROM city.population_by_town
  WHERE is_current
  GROUP BY site_code
),
totals AS (
  SELECT
    people.site_code,
    people.period,
    people.resident_cnt,
    people.hukou_cnt,
    people.floating_cnt
  FROM city.population_by_town AS people
  INNER JOIN newest
    ON newest.site_code = people.site_code
    AND newest.period = people.period
  WHERE people.is_current
    AND people.town_code = RPAD(people.site_code, 12, '0')
    AND people.sex = 'all'
    AND people.age_band = 'all'
),
parts AS (
  -- What a site relays is in its own total already, if it has one.
  SELECT
    site.site_code,
    totals.period,
    totals.resident_cnt,
    totals.hukou_cnt,
    totals.floating_cnt
  FROM city.site AS site
  LEFT JOIN totals ON totals.site_code = site.site_code
  LEFT JOIN totals AS carrier ON carrier.site_code = site.via
  WHERE carrier.site_code IS NULL
),
rows AS (
  SELECT
    site.site_code,
    site.site_name,
    totals.period,
    totals.period AS oldest_period,
    totals.resident_cnt,
    totals.hukou_cnt,
    totals.floating_cnt,
    1 AS site_cnt,
    CASE WHEN totals.resident_cnt IS NULL THEN 0 ELSE 1 END AS counted_cnt
  FROM city.site AS site
  LEFT JOIN totals ON totals.site_code = site.site_code
  UNION ALL
  SELECT
    'all' AS site_code,
    '合计' AS site_name,
    MAX(period) AS period,
    MIN(period) AS oldest_period,
    CAST(SUM(resident_cnt) AS BIGINT) AS resident_cnt,
    CAST(SUM(hukou_cnt) AS BIGINT) AS hukou_cnt,
    CAST(SUM(floating_cnt) AS BIGINT) AS floating_cnt,
    COUNT(*) AS site_cnt,
    COUNT(resident_cnt) AS counted_cnt
  FROM parts
)
SELECT
  site_code,
  site_name,
  period,
  oldest_period,
  resident_cnt,
  hukou_cnt,
  floating_cnt,
  CAST(site_cnt AS BIGINT) AS site_cnt,
  CAST(counted_cnt AS BIGINT) AS counted_cnt
FROM rows
ORDER BY site_code
