-- Each town counts for itself and for the county: a join with this table makes the total rows.
SELECT
  town_code AS member_code,
  town_code,
  town_name
FROM gold.town
UNION ALL
SELECT
  town_code AS member_code,
  :site_code || '000000' AS town_code,
  '全县' AS town_name
FROM gold.town
ORDER BY town_code, member_code
