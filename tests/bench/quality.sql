-- What an expert writes by hand for the fifteen rules of tests/bench/quality.py over the same rows.
--
-- The same outputs: typed columns, whether the row is valid, the set of rules that it breaks, its
-- record hash. Cells are trimmed, words for nothing are nulled, amounts may have separators, dates
-- may be written in Chinese, methods may be words: as the delivery has them and no more.
WITH trimmed AS (
  SELECT
    _source_row,
    nullif(trim(pay_no), '') AS pay_no,
    nullif(trim(org_code), '') AS org_code,
    nullif(trim(apply_date), '') AS apply_date,
    nullif(trim(approve_date), '') AS approve_date,
    nullif(trim(pay_time), '') AS pay_time,
    nullif(trim(amount), '') AS amount,
    nullif(trim(budget), '') AS budget,
    nullif(trim(quantity), '') AS quantity,
    nullif(trim(unit_price), '') AS unit_price,
    nullif(trim(pay_method), '') AS pay_method,
    nullif(trim(payee_name), '') AS payee_name,
    nullif(trim(payee_account), '') AS payee_account,
    nullif(trim(is_public), '') AS is_public,
    nullif(trim(applicant), '') AS applicant,
    nullif(trim(approver), '') AS approver,
    nullif(trim(purpose), '') AS purpose
  FROM source
),

spoken AS (
  SELECT
    * REPLACE (
      CASE WHEN org_code NOT IN ('无', '不详', '-', '/', 'NULL') THEN org_code END AS org_code,
      CASE WHEN apply_date NOT IN ('无', '不详', '-', '/', 'NULL') THEN apply_date END AS apply_date,
      CASE WHEN approve_date NOT IN ('无', '不详', '-', '/', 'NULL') THEN approve_date END
        AS approve_date,
      CASE WHEN pay_time NOT IN ('无', '不详', '-', '/', 'NULL') THEN pay_time END AS pay_time,
      CASE WHEN amount NOT IN ('无', '不详', '-', '/', 'NULL') THEN replace(amount, ',', '') END
        AS amount,
      CASE WHEN budget NOT IN ('无', '不详', '-', '/', 'NULL') THEN replace(budget, ',', '') END
        AS budget,
      CASE WHEN quantity NOT IN ('无', '不详', '-', '/', 'NULL') THEN quantity END AS quantity,
      CASE WHEN unit_price NOT IN ('无', '不详', '-', '/', 'NULL') THEN replace(unit_price, ',', '') END
        AS unit_price,
      CASE WHEN payee_account NOT IN ('无', '不详', '-', '/', 'NULL') THEN payee_account END
        AS payee_account,
      CASE
        WHEN pay_method IN ('1', '2', '3', '4') THEN pay_method
        WHEN pay_method = '转账' THEN '1'
        WHEN pay_method = '支票' THEN '2'
        WHEN pay_method = '公务卡' THEN '3'
        WHEN pay_method = '现金' THEN '4'
        WHEN pay_method NOT IN ('无', '不详', '-', '/', 'NULL') THEN pay_method
      END AS pay_method
    )
  FROM trimmed
),

typed AS (
  SELECT
    * REPLACE (
      coalesce(try_cast(apply_date AS DATE), try_strptime(apply_date, '%Y年%m月%d日')::DATE)
        AS apply_date,
      coalesce(try_cast(approve_date AS DATE), try_strptime(approve_date, '%Y年%m月%d日')::DATE)
        AS approve_date,
      try_cast(pay_time AS TIMESTAMP) AS pay_time,
      CASE WHEN regexp_full_match(amount, '-?[0-9]+(\.[0-9]{1,2})?')
        THEN try_cast(amount AS DECIMAL(18, 2)) END AS amount,
      CASE WHEN regexp_full_match(budget, '-?[0-9]+(\.[0-9]{1,2})?')
        THEN try_cast(budget AS DECIMAL(18, 2)) END AS budget,
      CASE WHEN regexp_full_match(quantity, '-?[0-9]+')
        THEN try_cast(quantity AS BIGINT) END AS quantity,
      CASE WHEN regexp_full_match(unit_price, '-?[0-9]+(\.[0-9]{1,2})?')
        THEN try_cast(unit_price AS DECIMAL(18, 2)) END AS unit_price,
      CASE WHEN is_public IN ('1', '是') THEN TRUE WHEN is_public IN ('0', '否') THEN FALSE END
        AS is_public
    ),
    -- Whether a cell said something that could not be read.
    apply_date IS NOT NULL AS has_apply_date,
    approve_date IS NOT NULL AS has_approve_date,
    pay_time IS NOT NULL AS has_pay_time,
    amount IS NOT NULL AS has_amount,
    budget IS NOT NULL AS has_budget,
    quantity IS NOT NULL AS has_quantity,
    unit_price IS NOT NULL AS has_unit_price,
    is_public IS NOT NULL AS has_is_public
  FROM spoken
),

cells AS (
  SELECT
    *,
    CASE WHEN pay_no IS NULL THEN 'pay_no.required'
      WHEN length(pay_no) > 32 THEN 'pay_no.length' END AS bad_pay_no,
    CASE WHEN org_code IS NULL THEN 'org_code.required'
      WHEN NOT regexp_matches(org_code, '^[0-9A-Z]{18}$') THEN 'org_code.pattern' END AS bad_org_code,
    CASE WHEN NOT has_apply_date THEN 'apply_date.required'
      WHEN apply_date IS NULL THEN 'apply_date.type' END AS bad_apply_date,
    CASE WHEN has_approve_date AND approve_date IS NULL THEN 'approve_date.type' END
      AS bad_approve_date,
    CASE WHEN has_pay_time AND pay_time IS NULL THEN 'pay_time.type' END AS bad_pay_time,
    CASE WHEN NOT has_amount THEN 'amount.required'
      WHEN amount IS NULL THEN 'amount.type'
      WHEN amount < 0.01 THEN 'amount.range' END AS bad_amount,
    CASE WHEN has_budget AND budget IS NULL THEN 'budget.type' END AS bad_budget,
    CASE WHEN has_quantity AND quantity IS NULL THEN 'quantity.type' END AS bad_quantity,
    CASE WHEN has_unit_price AND unit_price IS NULL THEN 'unit_price.type' END AS bad_unit_price,
    CASE WHEN pay_method NOT IN ('1', '2', '3', '4') THEN 'pay_method.code' END AS bad_pay_method,
    CASE WHEN payee_name IS NULL THEN 'payee_name.required'
      WHEN length(payee_name) > 100 THEN 'payee_name.length' END AS bad_payee_name,
    CASE WHEN NOT regexp_matches(payee_account, '^[0-9]{16,19}$') THEN 'payee_account.pattern' END
      AS bad_payee_account,
    CASE WHEN has_is_public AND is_public IS NULL THEN 'is_public.type' END AS bad_is_public,
    CASE WHEN length(applicant) > 50 THEN 'applicant.length' END AS bad_applicant,
    CASE WHEN length(approver) > 50 THEN 'approver.length' END AS bad_approver,
    CASE WHEN length(purpose) > 200 THEN 'purpose.length' END AS bad_purpose
  FROM typed
),

judged AS (
  SELECT
    * EXCLUDE (
      has_apply_date, has_approve_date, has_pay_time, has_amount, has_budget, has_quantity,
      has_unit_price, has_is_public, bad_pay_no, bad_org_code, bad_apply_date, bad_approve_date,
      bad_pay_time, bad_amount, bad_budget, bad_quantity, bad_unit_price, bad_pay_method,
      bad_payee_name, bad_payee_account, bad_is_public, bad_applicant, bad_approver, bad_purpose
    ),
    concat_ws(
      ' ',
      bad_pay_no, bad_org_code, bad_apply_date, bad_approve_date, bad_pay_time, bad_amount,
      bad_budget, bad_quantity, bad_unit_price, bad_pay_method, bad_payee_name, bad_payee_account,
      bad_is_public, bad_applicant, bad_approver, bad_purpose,
      -- A rule judges only cells that can be read.
      CASE WHEN bad_apply_date IS NULL AND bad_approve_date IS NULL
        AND (approve_date >= apply_date) IS FALSE THEN 'approved_after_application' END,
      CASE WHEN bad_apply_date IS NULL AND bad_pay_time IS NULL
        AND (pay_time >= apply_date) IS FALSE THEN 'paid_after_application' END,
      CASE WHEN bad_approve_date IS NULL AND bad_pay_time IS NULL
        AND (try_cast(pay_time AS DATE) >= approve_date) IS FALSE THEN 'paid_after_approval' END,
      CASE WHEN bad_amount IS NULL AND bad_budget IS NULL
        AND (amount <= budget) IS FALSE THEN 'within_budget' END,
      CASE WHEN bad_amount IS NULL AND bad_pay_method IS NULL
        AND (pay_method <> '4' OR amount <= 1000) IS FALSE THEN 'cash_over_limit' END,
      CASE WHEN bad_amount IS NULL AND bad_quantity IS NULL AND bad_unit_price IS NULL
        AND (quantity * unit_price = amount) IS FALSE THEN 'amount_is_product' END,
      CASE WHEN bad_amount IS NULL AND bad_approver IS NULL
        AND (amount < 5000 OR approver IS NOT NULL) IS FALSE THEN 'large_is_approved' END,
      CASE WHEN bad_applicant IS NULL AND bad_approver IS NULL
        AND (applicant <> approver) IS FALSE THEN 'four_eyes' END,
      CASE WHEN bad_pay_method IS NULL AND bad_payee_account IS NULL
        AND (pay_method <> '1' OR payee_account IS NOT NULL) IS FALSE
        THEN 'transfer_has_account' END,
      CASE WHEN bad_amount IS NULL AND bad_is_public IS NULL
        AND (amount < 20000 OR is_public) IS FALSE THEN 'large_is_public' END,
      CASE WHEN bad_apply_date IS NULL AND bad_pay_time IS NULL
        AND (extract(YEAR FROM pay_time) = extract(YEAR FROM apply_date)) IS FALSE
        THEN 'within_year' END,
      CASE WHEN bad_pay_time IS NULL
        AND (pay_time <= $delivered_at) IS FALSE THEN 'not_in_future' END,
      CASE WHEN bad_payee_name IS NULL
        AND (length(payee_name) >= 2) IS FALSE THEN 'payee_is_named' END,
      CASE WHEN bad_pay_no IS NULL AND bad_apply_date IS NULL
        AND (substr(pay_no, 1, 4) = strftime(apply_date, '%Y')) IS FALSE THEN 'number_of_year' END,
      CASE WHEN bad_payee_name IS NULL AND bad_applicant IS NULL
        AND (payee_name <> applicant) IS FALSE THEN 'not_to_oneself' END
    ) AS broken
  FROM cells
)

SELECT
  *,
  broken = '' AS ok,
  CASE WHEN broken = '' THEN md5(concat(
    amount, chr(31), applicant, chr(31), apply_date, chr(31), approve_date, chr(31), approver,
    chr(31), budget, chr(31), is_public, chr(31), org_code, chr(31), pay_method, chr(31), pay_no,
    chr(31), pay_time, chr(31), payee_account, chr(31), payee_name, chr(31), purpose, chr(31),
    quantity, chr(31), unit_price
  )) END AS record_hash
FROM judged
