# Triptych: `make demo` and `make test` do everything on a fresh machine with make, Python >= 3.11 and venv.
PYTHON ?= python3
VENV   ?= .venv
# DEMO=fast makes a smaller demo in under three minutes.
DEMO   ?= full
OUT    ?= demo
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)

RUN  = $(VENV)/bin/python
FAST  = $(if $(filter fast,$(DEMO)),-fast,)
PAIRS = $(if $(filter fast,$(DEMO)),3,8)
# The released codec is scored and heard beside the demo's own, where it is there.
RELEASED = $(firstword $(wildcard train/released_weights/model.safetensors train/released_weights/model-00001-of-*.safetensors))
CODECS = --checkpoint $(if $(RELEASED),demo=)$(OUT)/run/best.safetensors $(if $(RELEASED),--checkpoint released=$(RELEASED))
export PYTHONUNBUFFERED = 1

.PHONY: demo compare test verify lint clean help
help:
	@echo "make demo             render, audit, train small, convert, score, page (DEMO=fast: under 3 minutes)"
	@echo "make compare          our codec, the reference and two baselines on one dataset (COMPARE=full: a night on a GPU)"
	@echo "make test             lint, types, import contracts, tests"
	@echo "make verify           everything in test, and what takes longer"

# An environment is made once for its extras, and again when what it is made from changes.
define install
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Triptych needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(1)]'
	touch $@
endef

$(VENV)/.demo: pyproject.toml constraints.txt
	$(call install,render$(,)train$(,)audit)

$(VENV)/.dev: pyproject.toml constraints.txt
	$(call install,render$(,)train$(,)audit$(,)dev)
	touch $(VENV)/.demo

, := ,

demo: $(VENV)/.demo
	$(RUN) -m render make configs/demo$(FAST).yaml --out $(OUT)/dataset --workers $(WORKERS)
	$(RUN) -m manifests audit $(OUT)/dataset --deep --rerender 8 --html $(OUT)/audit.html
	$(RUN) -m train fit configs/train/demo$(FAST).yaml --data $(OUT)/dataset --out $(OUT)/run
	$(RUN) -m train evaluate $(CODECS) --data $(OUT)/dataset --out $(OUT)/scores --pairs $(PAIRS)
	$(RUN) -m train page $(CODECS) --data $(OUT)/dataset --scores $(OUT)/scores --out $(OUT)/page.html
	@echo "page: $(abspath $(OUT)/page.html)"

# COMPARE=tiny (a check on a CPU) or full (a night on one GPU). DATA=folder takes a dataset that is there.
COMPARE ?= tiny
DATA    ?= $(OUT)/compare-$(COMPARE)/dataset
compare: $(VENV)/.demo
	$(RUN) -m train compare configs/compare/$(COMPARE).yaml --estimate
	test -f $(DATA)/dataset.json && test -f $(DATA)/shards.parquet || $(RUN) -m render make configs/compare/$(COMPARE)-dataset.yaml --out $(DATA) --workers $(WORKERS)
	$(RUN) -m train compare configs/compare/$(COMPARE).yaml --data $(DATA) --out $(OUT)/compare-$(COMPARE)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: lint
	$(RUN) -m pytest -n 2 --dist loadgroup -m "not verify"

verify: lint
	$(RUN) -m pytest -n 2 --dist loadgroup

clean:
	rm -rf $(VENV) $(OUT)
