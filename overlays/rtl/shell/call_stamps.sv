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

  always_ff @(posedge aclk) begin
    if (clear) begin
      seen_in <= 1'b0;
      seen_out <= 1'b0;
      first_in <= '0;
      first_out <= '0;
      last_out <= '0;
    end else begin
      if (beat_in && !seen_in) first_in <= cycle;
      if (frame_out && !seen_out) first_out <= cycle;
      if (frame_out) last_out <= cycle;
      if (beat_in) seen_in <= 1'b1;
      if (frame_out) seen_out <= 1'b1;
    end
  end

endmodule

`default_nettype wire
