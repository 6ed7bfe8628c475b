-- Health of an AzureSecretBinding for Argo CD (resource.customizations.health.secrets.purista.dev_AzureSecretBinding).
--
-- 1. Suspended: spec.suspend. The operator leaves it alone, so nothing in its conditions will move.
-- 2. Progressing: no status yet, or one about an earlier generation: what it says is not about this spec.
-- 3. Degraded: Stalled is True. Somebody has to change something.
-- 4. Healthy: Ready is True. Fresh False (an outage, a lost role) does not count: pods have what they had, and a sync
--    must not be blocked by it; its message is shown.
-- 5. Degraded: not Ready because no poll has worked for spec.refresh.staleAfter.
-- 6. Progressing: otherwise; Reconciling says why.
local hs = {}
local spec = obj.spec or {}
local status = obj.status or {}
local generation = (obj.metadata or {}).generation

if spec.suspend == true then
  hs.status = "Suspended"
  hs.message = "spec.suspend is true"
  return hs
end

if status.observedGeneration == nil or (generation ~= nil and status.observedGeneration < generation) then
  hs.status = "Progressing"
  hs.message = "Waiting for the operator to look at this generation"
  return hs
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  -- A condition of an earlier generation is no answer about this one.
  if generation == nil or condition.observedGeneration == nil or condition.observedGeneration >= generation then
    found[condition.type] = condition
  end
end

local function is(type, value)
  return found[type] ~= nil and found[type].status == value
end

local function text(type)
  return found[type] and (found[type].message or found[type].reason) or ""
end

if is("Stalled", "True") then
  hs.status = "Degraded"
  hs.message = text("Stalled")
elseif is("Ready", "True") then
  hs.status = "Healthy"
  hs.message = is("Fresh", "False") and text("Fresh") or text("Ready")
elseif is("Ready", "False") and found["Ready"].reason == "Stale" then
  hs.status = "Degraded"
  hs.message = text("Ready")
else
  hs.status = "Progressing"
  hs.message = is("Reconciling", "True") and text("Reconciling") or text("Ready")
end
return hs
