// A synth with the troubles of real plugins. The build sets the macros ODD_*; see ../odd_synth_builds.py.
#ifndef DISTRHO_PLUGIN_INFO_H_INCLUDED
#define DISTRHO_PLUGIN_INFO_H_INCLUDED

#ifndef ODD_NAME
#define ODD_NAME "Odd"
#endif
#ifndef ODD_ID
#define ODD_ID 'O', 'd', 'd', '1'
#endif
#ifndef ODD_OUTPUTS
#define ODD_OUTPUTS 2
#endif
#ifndef ODD_LATENCY
#define ODD_LATENCY 0
#endif

#define DISTRHO_PLUGIN_BRAND "Triptych"
#define DISTRHO_PLUGIN_NAME ODD_NAME
#define DISTRHO_PLUGIN_URI "urn:triptych:" ODD_NAME
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_RT_SAFE 0
#define DISTRHO_PLUGIN_IS_SYNTH 1
#define DISTRHO_PLUGIN_NUM_INPUTS 0
#define DISTRHO_PLUGIN_NUM_OUTPUTS ODD_OUTPUTS
#define DISTRHO_PLUGIN_WANT_MIDI_INPUT 1
#define DISTRHO_PLUGIN_WANT_LATENCY (ODD_LATENCY > 0)
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1

#endif
