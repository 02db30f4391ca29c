// Keeps in which cycle of a call the core's first beat went in and its frames came out.
//
// overlays/registers.py says how the core's latency and initiation interval follow from these.
`default_nettype none

module call_stamps (
    input wire aclk,

    input wire        clear,
    input wire [31:0] cycle,       // the call's cycle counter
    input wire        beat_in,     // the core takes a beat
    input wire        frame_out,   // the core gives the last beat of a frame

    output logic [31:0] first_in,   // cycle of the first beat in
    output logic [31:0] first_out,  // cycle of the first frame out
    output logic [31:0] last_out    // cycle of the newest frame out
);

  logic seen_in, seen_out;

  // Whether a beat moves is known late in a cycle: it is kept, with the cycle's number, first.
  logic moved_in, moved_out;
  logic [31:0] moved_cycle;

  always_ff @(posedge aclk) begin
    moved_in <= beat_in && !clear;
    moved_out <= frame_out && !clear;
    moved_cycle <= cycle;

    if (clear) begin
      seen_in <= 1'b0;
      seen_out <= 1'b0;
      first_in <= '0;
      first_out <= '0;
      last_out <= '0;
    end else begin
      if (moved_in && !seen_in) first_in <= moved_cycle;
      if (moved_out && !seen_out) first_out <= moved_cycle;
      if (moved_out) last_out <= moved_cycle;
      if (moved_in) seen_in <= 1'b1;
      if (moved_out) seen_out <= 1'b1;
    end
  end

endmodule

`default_nettype wire
