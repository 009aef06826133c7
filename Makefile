# `make demo` and `make test` set up their environment themselves. They need make, Python >= 3.11 and venv.
PYTHON ?= python3
VENV   ?= .venv
# DEMO=fast makes a smaller demo.
DEMO   ?= full
OUT    ?= demo
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)

RUN  = $(VENV)/bin/python
FAST  = $(if $(filter fast,$(DEMO)),-fast,)
PAIRS = $(if $(filter fast,$(DEMO)),3,8)
# The released codec, which the demo plays first, and scores beside its own (but DEMO=fast).
RELEASED = $(firstword $(wildcard train/released_weights/model.safetensors train/released_weights/model-00001-of-*.safetensors))
CODECS = --checkpoint demo=$(OUT)/run/best.safetensors $(if $(FAST),,--checkpoint released=$(RELEASED))
export PYTHONUNBUFFERED = 1

.PHONY: demo release card compare test verify lint clean help
help:
	@echo "make demo             converts with the released codec, renders, audits, trains, scores and writes listening pages (DEMO=fast: a smaller one)"
	@echo "make release          scores a trained codec and makes it the one that is shipped (CHECKPOINT=, DATA=, CONFIG=, NOTE=, RECIPE=)"
	@echo "make card             renders the data of the shipped codec's card, and makes its figures again"
	@echo "make compare          trains four systems on one dataset and scores them (COMPARE=full: a night on one GPU)"
	@echo "make lint             checks style, types and import contracts"
	@echo "make test             runs lint and the tests (about 20 minutes on 2 cores)"
	@echo "make verify           runs lint and all tests, long ones included"
	@echo "make clean            deletes the environment and the demo's output"

# Installs the extras $(1) into the environment. It runs again if pyproject.toml or constraints.txt changes.
define install
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Triptych needs Python 3.11 or newer, but $(PYTHON) is " + sys.version.split()[0])'
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
	$(RUN) -m render make configs/first-sound.yaml --out $(OUT)/first-sound --workers $(WORKERS)
	$(RUN) -m train page --data $(OUT)/first-sound --pairs-per-kind $(if $(FAST),1,2) --out $(OUT)/first-sound.html
	@echo "first sounds, by the released codec: $(abspath $(OUT)/first-sound.html)"
	$(RUN) -m render make configs/demo$(FAST).yaml --out $(OUT)/dataset --workers $(WORKERS)
	$(RUN) -m manifests audit $(OUT)/dataset --deep --rerender 8 --html $(OUT)/audit.html
	$(RUN) -m train fit configs/train/demo$(FAST).yaml --data $(OUT)/dataset --out $(OUT)/run
	$(RUN) -m train evaluate $(CODECS) --data $(OUT)/dataset --out $(OUT)/scores --pairs $(PAIRS)
	$(RUN) -m train page $(CODECS) --data $(OUT)/dataset --scores $(OUT)/scores --out $(OUT)/page.html
	@echo "page: $(abspath $(OUT)/page.html)"

# Replaces the shipped codec, its card and the README's figures. CONFIG is the config in the repository that makes DATA.
# ARGS: more options of `train release`, such as --other seed2=RUN2/best.safetensors --machine "two cores of …".
release: $(VENV)/.demo
	$(RUN) -m render make configs/unseen-synth.yaml --out $(OUT)/unseen-synth --workers $(WORKERS)
	$(RUN) -m train release --checkpoint $(CHECKPOINT) --data $(DATA) --config $(CONFIG) --out $(OUT)/release \
		--note "$(NOTE)" --recipe "$(RECIPE)" --also configs/unseen-synth.yaml=$(OUT)/unseen-synth $(ARGS)
	$(RUN) scripts/install_release.py $(OUT)/release

card: $(VENV)/.demo
	$(RUN) -m benchmarks.released_card --out $(OUT)/card --workers $(WORKERS)

# COMPARE=tiny checks the pipeline on a CPU; COMPARE=full takes a night on one GPU. DATA=FOLDER uses an existing dataset.
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

# Two workers share two cores: one thread each.
test: export OMP_NUM_THREADS = 1
test: lint
	$(RUN) -m pytest -n 2 --dist loadgroup -m "not verify"

verify: lint
	$(RUN) -m pytest -n 2 --dist loadgroup

clean:
	rm -rf $(VENV) $(OUT)
