"""`vultus liveness session`: a video driven as an active session."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.options import ModelOptions
from vultus.cli.output import ExitCode, JsonOption, note, print_json, say

if TYPE_CHECKING:
    from vultus.liveness.session.challenge import Challenge


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeOptions:
    """What is asked, and of whom."""

    challenge: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Movements in their order: turn_left, turn_right, nod, look_up, tilt_left, "
            "tilt_right, closer (left and right are the person's own); else four are drawn.",
            show_default=False,
        ),
    ] = None
    rests: Annotated[
        bool,
        typer.Option(
            "--rests",
            help="Ask each movement of --challenge after a rest of random length, as a service "
            "does: a film that happens to match is rejected then.",
        ),
    ] = False
    movement_s: Annotated[float, typer.Option(help="Seconds for each movement, [1, 60].")] = 8.0
    region: Annotated[
        str | None,
        typer.Option(
            metavar="X1,Y1,X2,Y2",
            help="Look at this part of each frame only, in pixels: one person of several.",
            show_default=False,
        ),
    ] = None


def session(
    video: Annotated[
        str, typer.Argument(help="A video file, a folder of frames, or camera:0.", metavar="VIDEO")
    ],
    options: ChallengeOptions,
    models: ModelOptions,
    json: JsonOption = False,
) -> int:
    """Drive a video as an active liveness session: are its movements those asked, by a solid head?

    A signal, no proof: who makes the movements live, as a bent photo or a computed face, may pass.
    Exit code 1 means rejected.
    """
    from vultus.video.liveness_session import parse_region, run_session
    from vultus.video.sources.opening import open_source

    challenge = _challenge(options)
    region = None if options.region is None else parse_region(options.region)
    source = open_source(video)
    try:
        found = run_session(source.frames(), models.open(), challenge, region_xyxy=region).progress
    finally:
        source.close()
    if json:
        asked = {"movements": list(challenge.movements), "rests_s": list(challenge.rests_s)}
        print_json({**asked, **found.to_dict()})
    else:
        say(f"asked: {', '.join(challenge.movements)}")
        made = f"{found.done} of {found.n_movements} movements"
        say(f"{found.state}, {made} in {found.n_frames} frames")
        for reason in found.reasons:
            say(f"{reason.code}: {reason.text}")
        note("a signal, no proof: an accepted session is not a living person for sure")
    return ExitCode.OK if found.state == "accepted" else ExitCode.NO_MATCH


def _challenge(options: ChallengeOptions) -> "Challenge":
    from vultus.liveness.session.challenge import draw_challenge, parse_challenge

    if options.challenge is None:
        return draw_challenge(movement_s=options.movement_s)
    return parse_challenge(options.challenge, movement_s=options.movement_s, rests=options.rests)
