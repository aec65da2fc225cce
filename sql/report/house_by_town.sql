WITH usages AS (
  SELECT DISTINCT
    usage AS member_usage,
    usage
  FROM gold.house_by_town_usage
  UNION ALL
  SELECT DISTINCT
    usage AS member_usage,
    'all' AS usage
  FROM gold.house_by_town_usage
)
SELECT
  towns.town_code,
  towns.town_name,
  usages.usage,
  CAST(COALESCE(SUM(cell.house_cnt), 0) AS BIGINT) AS house_cnt,
  CAST(COALESCE(SUM(cell.area_sqm), 0) AS DECIMAL(18, 2)) AS area_sqm,
  CAST(COALESCE(SUM(cell.rented_cnt), 0) AS BIGINT) AS rented_cnt,
  CAST(COALESCE(SUM(cell.vacant_cnt), 0) AS BIGINT) AS vacant_cnt
FROM gold.town_rollup AS towns
CROSS JOIN usages
LEFT JOIN gold.house_by_town_usage AS cell
  ON cell.town_code = towns.member_code
  AND cell.usage = usages.member_usage
GROUP BY
  towns.town_code,
  towns.town_name,
  usages.usage
ORDER BY town_code, usage
