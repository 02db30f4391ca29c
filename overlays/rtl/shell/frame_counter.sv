// Counts the beats of a stream into frames of a fixed length.
`default_nettype none

module frame_counter #(
    parameter int BEATS = 1  // beats of a frame: 1 to 2^24
) (
    input wire aclk,

    input  wire         clear,
    input  wire         beat,   // a beat is taken
    output logic        last,   // the next beat to be taken is the last of its frame
    output logic [31:0] frames  // whole frames since `clear`
);

  generate
    if (BEATS < 1 || BEATS > 1 << 24) begin : bad_beats
      $error("frame_counter: BEATS must be 1 to 2^24");
    end

    if (BEATS == 1) begin : always_last
      assign last = 1'b1;
    end else begin : counted
      localparam int BITS = $clog2(BEATS);
      logic [BITS-1:0] position;

      assign last = position == BITS'(BEATS - 1);

      always_ff @(posedge aclk) begin
        if (clear || (beat && last)) position <= '0;
        else if (beat) position <= position + BITS'(1);
      end
    end
  endgenerate

  always_ff @(posedge aclk) begin
    if (clear) frames <= '0;
    else if (beat && last) frames <= frames + 32'd1;
  end

endmodule

`default_nettype wire
