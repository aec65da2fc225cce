WITH sexes AS (
  SELECT DISTINCT
    sex AS member_sex,
    sex
  FROM gold.population_by_town_sex_age
  UNION ALL
  SELECT DISTINCT
    sex AS member_sex,
    'all' AS sex
  FROM gold.population_by_town_sex_age
),
age_bands AS (
  SELECT DISTINCT
    age_band AS member_band,
    age_band
  FROM gold.population_by_town_sex_age
  UNION ALL
  SELECT DISTINCT
    age_band AS member_band,
    'all' AS age_band
  FROM gold.population_by_town_sex_age
)
SELECT
  towns.town_code,
  towns.town_name,
  sexes.sex,
  age_bands.age_band,
  CAST(COALESCE(SUM(cell.resident_cnt), 0) AS BIGINT) AS resident_cnt,
  CAST(COALESCE(SUM(cell.hukou_cnt), 0) AS BIGINT) AS hukou_cnt,
  CAST(COALESCE(SUM(cell.floating_cnt), 0) AS BIGINT) AS floating_cnt,
  FALSE AS suppressed
FROM gold.town_rollup AS towns
CROSS JOIN sexes
CROSS JOIN age_bands
LEFT JOIN gold.population_by_town_sex_age AS cell
  ON cell.town_code = towns.member_code
  AND cell.sex = sexes.member_sex
  AND cell.age_band = age_bands.member_band
GROUP BY
  towns.town_code,
  towns.town_name,
  sexes.sex,
  age_bands.age_band
ORDER BY town_code, sex, age_band
