-- Each county's own totals: the row of the whole county, both sexes, all ages.
WITH newest AS (
  SELECT
    county_code,
    MAX(period) AS period
  FROM city.population_by_town
  WHERE is_current
  GROUP BY county_code
)
SELECT
  people.county_code,
  people.county_name,
  people.period,
  people.resident_cnt,
  people.hukou_cnt,
  people.floating_cnt
FROM city.population_by_town AS people
INNER JOIN newest
  ON newest.county_code = people.county_code
  AND newest.period = people.period
WHERE people.is_current
  AND people.town_code = people.county_code || '000000'
  AND people.sex = 'all'
  AND people.age_band = 'all'
ORDER BY county_code
