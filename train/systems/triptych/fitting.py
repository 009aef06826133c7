"""The heard envelope made exact: the closed form is fitted to the level that was heard.

The envelope head's numbers are a good first guess, and the gain is differentiable in them; so a few dozen
steps of descent on the distance between the gain's level and the clip's bring them from some 15% to 1 or 2%
of the true ones, for envelopes never seen in training as well. Note-offs are moved along, since a release
tells where it began. What cannot be heard (a release that is always cut, the note-off of a note that has
died away) stays at the guess.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.notes import EnvelopeBatch, NoteBatch, clip_gain, owner
from train.systems.triptych.envelope_head import from_units
from train.systems.triptych.features import LEVEL_HOP

STEPS = 60
SEARCHES = (15, 30)
"""Steps before which note-offs are searched for over whole notes, as descent only finds what is near."""

LEARNING_RATE = 0.06
PRIOR = 0.002
OFF_MS = 40.0
"""Unit of a note-off's way, so that it travels as fast as the logarithms of times do."""

PLACES = 24
"""Note-offs tried in each note, evenly spread over its span."""

WORSE = 1.1
"""A note-off explains its note as well as another if it is so little further from it."""

MOST_NOTES = 32
"""Of longer recordings so many notes, evenly spread, tell the envelope."""


def smoothed(power_L: Tensor) -> Tensor:
    """The square root of mean power over nine level steps, 13 ms."""
    return F.avg_pool1d(power_L[None, None], 9, 1, 4, count_include_pad=False)[0, 0].clamp(min=1e-12).sqrt()


class Fit:
    """One clip's level, and how well envelopes and note-offs explain it.

    `notes` is a batch of this clip alone; velocities are not used, each note's loudness is fitted.
    """

    def __init__(self, level_L: Tensor, notes: NoteBatch, rate: int, cut_fade_ms: float) -> None:
        self.rate, self.cut_fade_ms = rate, cut_fade_ms
        self.notes = notes._replace(velocity_BN=torch.ones_like(notes.velocity_BN))
        self.at_BL = torch.arange(len(level_L), device=level_L.device)[None] * float(LEVEL_HOP)
        index_BL, inside_BL = owner(notes, self.at_BL)
        self.index_L, self.inside_L = index_BL[0], inside_BL[0]
        self.count = notes.onset_BN.shape[1]
        heard_L = smoothed(level_L)
        self.heard_L = heard_L / heard_L.max().clamp(min=1e-6)
        self.kernel = torch.tensor([[[0.25, 0.5, 0.25]]], device=level_L.device)
        self.points_N = self.sums(self.inside_L.float()).clamp(min=1.0)

    def sums(self, values_L: Tensor) -> Tensor:
        """Sums over each note's own points, [N]."""
        return torch.zeros(self.count, device=values_L.device).index_add(0, self.index_L, values_L)

    def distances(self, units_P: Tensor, off_N: Tensor) -> Tensor:
        """How far the level of each note is from what envelope and note-off say, [N].

        Linear distance plus a little of the logarithmic one, at each note's best loudness.
        """
        envelope = EnvelopeBatch(*(value[None] for value in from_units(units_P)))
        played = self.notes._replace(off_BN=off_N[None])
        gain_L = clip_gain(played, envelope, self.at_BL, self.rate, self.cut_fade_ms)[0]
        # The same smoothing that the level went through.
        shape_L = smoothed(F.conv1d(gain_L.square()[None, None], self.kernel, padding=1)[0, 0])
        with torch.no_grad():
            loudness_N = self.sums(shape_L * self.heard_L) / self.sums(shape_L * shape_L).clamp(min=1e-6)
        ours_L = shape_L * loudness_N.clamp(min=1e-5)[self.index_L]
        linear = (ours_L - self.heard_L).abs()
        log = ((ours_L + 3e-3).log() - (self.heard_L + 3e-3).log()).abs()
        return self.sums((linear + 0.15 * log) * self.inside_L) / self.points_N

    @torch.no_grad()
    def search_offs(self, units_P: Tensor, off_N: Tensor) -> Tensor:
        """Of the note-offs at hand and some all over each note, the latest that explains it as well as any.

        The latest, because a note that has died away looks the same whenever it is let go, and a decay can
        be mistaken for the release of a note let go at once.
        """
        onset, end = self.notes.onset_BN[0], self.notes.end_BN[0]
        tried = [off_N, *(onset + (end - onset) * (place / PLACES) for place in range(2, PLACES + 1))]
        tried_CN = torch.stack(tried)
        distance_CN = torch.stack([self.distances(units_P, off) for off in tried])
        good_CN = distance_CN <= distance_CN.amin(0) * WORSE + 1e-3
        return torch.where(good_CN, tried_CN, torch.zeros_like(tried_CN)).amax(0)

    def moved(self, off_N: Tensor, moves_N: Tensor) -> Tensor:
        """Note-offs moved by so many units of `OFF_MS`, inside their notes."""
        off = off_N + moves_N * (OFF_MS * self.rate / 1000.0)
        return torch.minimum(
            torch.maximum(off, self.notes.onset_BN[0] + 0.01 * self.rate), self.notes.end_BN[0]
        )


@torch.enable_grad()
def fit_envelope(
    level_L: Tensor, notes: NoteBatch, units_P: Tensor, rate: int, cut_fade_ms: float
) -> tuple[Tensor, Tensor]:
    """Envelope units [6] and note-offs [N] (in samples) that explain a clip's level best, from a first guess.

    `notes` is a batch of the one clip, `units_P` as in `envelope_head.to_units`; the curve's shape is kept.
    """
    fit = Fit(level_L, notes, rate, cut_fade_ms)
    telling_N = (torch.arange(fit.count, device=level_L.device) % max(1, -(-fit.count // MOST_NOTES))) == 0
    share_N = fit.points_N * telling_N / (fit.points_N * telling_N).sum()
    guess_P, curve = units_P.detach()[:5], units_P.detach()[5:].clamp(0.0, 1.0).round()
    units = guess_P.clone().requires_grad_(True)
    moves = torch.zeros(fit.count, device=level_L.device, requires_grad=True)
    off_N = notes.off_BN[0]
    optimiser = torch.optim.Adam([units, moves], lr=LEARNING_RATE)
    for step in range(STEPS):
        if step in SEARCHES:
            off_N = fit.search_offs(torch.cat([units, curve]), fit.moved(off_N, moves.detach()))
            moves.data.zero_()
        distances = fit.distances(torch.cat([units, curve]), fit.moved(off_N, moves))
        prior = (units - guess_P).square().mean() + moves.square().mean()
        loss = (distances * share_N).sum() + PRIOR * prior
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1.0 - step / STEPS)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return torch.cat([units.detach(), curve]), fit.moved(off_N, moves.detach())
