SELECT
  SUBSTR(village_code, 1, 9) || '000' AS town_code,
  usage,
  COUNT(*) AS house_cnt,
  CAST(COALESCE(SUM(area_m2), 0) AS DECIMAL(18, 2)) AS area_sqm,
  COUNT(*) FILTER (WHERE rent_status = '1') AS rented_cnt,
  COUNT(*) FILTER (WHERE rent_status = '2') AS vacant_cnt
FROM silver.house
WHERE NOT _is_deleted
GROUP BY
  SUBSTR(village_code, 1, 9) || '000',
  usage
ORDER BY town_code, usage
