WITH person AS (
  SELECT
    SUBSTR(village_code, 1, 9) || '000' AS town_code,
    sex,
    CASE
      WHEN birth_date > :day - INTERVAL '15' YEAR THEN '0-14'
      WHEN birth_date > :day - INTERVAL '60' YEAR THEN '15-59'
      WHEN birth_date > :day - INTERVAL '65' YEAR THEN '60-64'
      ELSE '65+'
    END AS age_band,
    is_resident,
    pop_type
  FROM silver.population
  WHERE NOT _is_deleted
    AND status = '1'
)
SELECT
  town_code,
  sex,
  age_band,
  COUNT(*) FILTER (WHERE is_resident) AS resident_cnt,
  COUNT(*) FILTER (WHERE pop_type = '01') AS hukou_cnt,
  COUNT(*) FILTER (WHERE pop_type = '02') AS floating_cnt
FROM person
GROUP BY
  town_code,
  sex,
  age_band
ORDER BY town_code, sex, age_band
