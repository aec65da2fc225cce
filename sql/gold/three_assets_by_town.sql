WITH organisation AS (
  SELECT
    org_code,
    SUBSTR(town_code, 1, 9) || '000' AS town_code,
    status,
    books_separated
  FROM silver.collective_org
  WHERE NOT _is_deleted
),
organisations AS (
  SELECT
    town_code,
    COUNT(*) FILTER (WHERE status = '1') AS org_cnt,
    COUNT(*) FILTER (WHERE status = '1' AND books_separated) AS online_cnt
  FROM organisation
  GROUP BY town_code
),
payments AS (
  SELECT
    organisation.town_code,
    COUNT(*) AS payment_cnt,
    CAST(SUM(payment.amount) AS DECIMAL(18, 2)) AS payment_yuan,
    COUNT(*) FILTER (WHERE payment.pay_method = '4') AS cash_payment_cnt,
    CAST(COALESCE(SUM(payment.amount) FILTER (WHERE payment.pay_method = '4'), 0) AS DECIMAL(18, 2))
      AS cash_yuan
  FROM silver.payment AS payment
  INNER JOIN organisation ON organisation.org_code = payment.org_code
  WHERE NOT payment._is_deleted
    AND payment.status = '50'
  GROUP BY organisation.town_code
),
assets AS (
  SELECT
    organisation.town_code,
    COUNT(*) AS asset_cnt,
    CAST(COALESCE(SUM(asset.original_value), 0) AS DECIMAL(18, 2)) AS asset_original_yuan
  FROM silver.asset AS asset
  INNER JOIN organisation ON organisation.org_code = asset.org_code
  WHERE NOT asset._is_deleted
  GROUP BY organisation.town_code
),
resources AS (
  SELECT
    organisation.town_code,
    COUNT(*) AS parcel_cnt,
    CAST(SUM(resource.area_mu) AS DECIMAL(18, 2)) AS parcel_mu
  FROM silver.resource AS resource
  INNER JOIN organisation ON organisation.org_code = resource.org_code
  WHERE NOT resource._is_deleted
  GROUP BY organisation.town_code
),
contracts AS (
  SELECT
    organisation.town_code,
    COUNT(*) FILTER (WHERE contract.status = '1') AS contract_in_force_cnt,
    COUNT(*) FILTER (WHERE contract.status = '1' AND contract.end_date < :day)
      AS contract_overdue_cnt
  FROM silver.contract AS contract
  INNER JOIN organisation ON organisation.org_code = contract.org_code
  WHERE NOT contract._is_deleted
  GROUP BY organisation.town_code
)
SELECT
  organisations.town_code,
  organisations.org_cnt,
  organisations.online_cnt,
  COALESCE(payments.payment_cnt, 0) AS payment_cnt,
  COALESCE(payments.payment_yuan, 0) AS payment_yuan,
  COALESCE(payments.cash_payment_cnt, 0) AS cash_payment_cnt,
  COALESCE(payments.cash_yuan, 0) AS cash_yuan,
  COALESCE(assets.asset_cnt, 0) AS asset_cnt,
  COALESCE(assets.asset_original_yuan, 0) AS asset_original_yuan,
  COALESCE(resources.parcel_cnt, 0) AS parcel_cnt,
  COALESCE(resources.parcel_mu, 0) AS parcel_mu,
  COALESCE(contracts.contract_in_force_cnt, 0) AS contract_in_force_cnt,
  COALESCE(contracts.contract_overdue_cnt, 0) AS contract_overdue_cnt
FROM organisations
LEFT JOIN payments ON payments.town_code = organisations.town_code
LEFT JOIN assets ON assets.town_code = organisations.town_code
LEFT JOIN resources ON resources.town_code = organisations.town_code
LEFT JOIN contracts ON contracts.town_code = organisations.town_code
ORDER BY town_code
