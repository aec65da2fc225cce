-- Every town that is registered or that any feed mentions, so that no figure loses a row.
WITH registered AS (
  SELECT
    code AS town_code,
    name AS town_name
  FROM silver.division
  WHERE NOT _is_deleted
    AND SUBSTR(code, 1, 6) = :site_code
    AND SUBSTR(code, 7, 3) <> '000'
    AND SUBSTR(code, 10, 3) = '000'
),
mentioned AS (
  SELECT SUBSTR(village_code, 1, 9) || '000' AS town_code
  FROM silver.population
  WHERE NOT _is_deleted
  UNION
  SELECT SUBSTR(village_code, 1, 9) || '000' AS town_code
  FROM silver.house
  WHERE NOT _is_deleted
  UNION
  SELECT SUBSTR(village_code, 1, 9) || '000' AS town_code
  FROM silver.component
  WHERE NOT _is_deleted
  UNION
  -- An order without a village belongs to the county's town "not known".
  SELECT COALESCE(SUBSTR(village_code, 1, 9), :site_code || '999') || '000' AS town_code
  FROM silver.hotline_order
  WHERE NOT _is_deleted
  UNION
  SELECT SUBSTR(town_code, 1, 9) || '000' AS town_code
  FROM silver.collective_org
  WHERE NOT _is_deleted
)
SELECT
  COALESCE(registered.town_code, mentioned.town_code) AS town_code,
  CASE
    WHEN registered.town_name IS NOT NULL THEN registered.town_name
    WHEN mentioned.town_code = :site_code || '999000' THEN '未明乡镇'
    ELSE mentioned.town_code
  END AS town_name,
  registered.town_code IS NOT NULL AS is_registered
FROM registered
FULL JOIN mentioned ON mentioned.town_code = registered.town_code
ORDER BY town_code
