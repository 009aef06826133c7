"""Lists the presets of a synth that are its plugin's own, by the plugin's id."""

from __future__ import annotations

from manifests.listing import Say
from presets.host.plugin_parameters import probe_plugin
from presets.synths.jobs import MachineFailure
from presets.synths.preset import Preset
from presets.synths.synth import Synth


def usable_presets(synth: Synth, skip_bad: bool = False, say: Say = lambda line: None) -> list[Preset]:
    """Lists the presets as `Synth.presets` does, without those of other plugins.

    The plugin is opened once in a process of its own, if there are VST2 presets. Raises the errors of
    `Synth.presets`, whose lines name presets of other plugins, too, and MachineFailure if the plugin does not
    open.

    Example: `usable_presets(open_synth("nekobi"))[0].address`.
    """
    profile = synth.profile
    if profile.kind != "vst2" or not synth.holds_states:
        return synth.presets(skip_bad, say)
    try:
        facts = probe_plugin(profile.kind, synth.plugin_path, profile.home, profile.needs_display)
    except MachineFailure:
        synth.presets(skip_bad, say)  # bad files are told first
        raise
    return synth.presets(skip_bad, say, facts.plugin_id)
