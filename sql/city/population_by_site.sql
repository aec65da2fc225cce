-- Each county's own totals: the row of the whole county, both sexes, all ages.
WITH newest AS (
  SELECT
    site_code,
    MAX(period) AS period
  FROM city.population_by_town
  WHERE is_current
  GROUP BY site_code
)
SELECT
  people.site_code,
  people.site_name,
  people.period,
  people.resident_cnt,
  people.hukou_cnt,
  people.floating_cnt
FROM city.population_by_town AS people
INNER JOIN newest
  ON newest.site_code = people.site_code
  AND newest.period = people.period
WHERE people.is_current
  AND people.town_code = people.site_code || '000000'
  AND people.sex = 'all'
  AND people.age_band = 'all'
ORDER BY site_code
