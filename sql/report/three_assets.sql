WITH counted AS (
  SELECT
    towns.town_code,
    towns.town_name,
    CAST(SUM(cell.org_cnt) AS BIGINT) AS org_cnt,
    CAST(SUM(cell.online_cnt) AS BIGINT) AS online_cnt,
    CAST(SUM(cell.payment_cnt) AS BIGINT) AS payment_cnt,
    CAST(SUM(cell.payment_yuan) AS DECIMAL(18, 2)) AS payment_yuan,
    CAST(SUM(cell.cash_payment_cnt) AS BIGINT) AS cash_payment_cnt,
    CAST(SUM(cell.cash_yuan) AS DECIMAL(18, 2)) AS cash_yuan,
    CAST(SUM(cell.asset_cnt) AS BIGINT) AS asset_cnt,
    CAST(SUM(cell.asset_original_yuan) AS DECIMAL(18, 2)) AS asset_original_yuan,
    CAST(SUM(cell.parcel_cnt) AS BIGINT) AS parcel_cnt,
    CAST(SUM(cell.parcel_mu) AS DECIMAL(18, 2)) AS parcel_mu,
    CAST(SUM(cell.contract_in_force_cnt) AS BIGINT) AS contract_in_force_cnt,
    CAST(SUM(cell.contract_overdue_cnt) AS BIGINT) AS contract_overdue_cnt
  FROM gold.three_assets_by_town AS cell
  INNER JOIN gold.town_rollup AS towns ON towns.member_code = cell.town_code
  GROUP BY
    towns.town_code,
    towns.town_name
)
SELECT
  town_code,
  town_name,
  org_cnt,
  online_cnt,
  CAST((20000 * online_cnt + org_cnt) // NULLIF(2 * org_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS online_pct,
  payment_cnt,
  payment_yuan,
  cash_payment_cnt,
  cash_yuan,
  -- Money has two decimals: its hundredfold is whole, and the share is computed in whole fen.
  CAST(
    (CAST(20000 * 100 * cash_yuan AS HUGEINT) + CAST(100 * payment_yuan AS HUGEINT))
    // NULLIF(CAST(2 * 100 * payment_yuan AS HUGEINT), 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS cash_pct,
  asset_cnt,
  asset_original_yuan,
  parcel_cnt,
  parcel_mu,
  contract_in_force_cnt,
  contract_overdue_cnt
FROM counted
ORDER BY town_code
