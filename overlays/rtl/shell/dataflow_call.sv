// Turns a call of whole frames into one read and one write command, and says when it is done.
//
// The beats of the call are the frames times a constant, made by shift and add, a bit of the
// constant a cycle: no multiplier, and STEPS cycles before the commands are given.
`default_nettype none

module dataflow_call #(
    parameter int INPUT_BEATS  = 1,  // beats of a frame in: 1 to 2^24
    parameter int OUTPUT_BEATS = 1   // beats of a frame out: 1 to 2^24
) (
    input wire aclk,

    input wire        running,  // low for one cycle or more before each call
    input wire [31:0] frames,

    output logic        commands_valid,   // for one cycle: reader and writer are idle, so ready
    output logic [28:0] input_beats,
    output logic [28:0] output_beats,
    input  wire         commands_done,    // reader and writer are idle

    output logic finished,
    output logic refused    // none or too many frames, no command is given
);

  localparam int LONGER = INPUT_BEATS > OUTPUT_BEATS ? INPUT_BEATS : OUTPUT_BEATS;
  localparam int STEPS = $clog2(LONGER + 1);
  localparam int STEP_BITS = $clog2(STEPS + 1);

  generate
    if (INPUT_BEATS < 1 || INPUT_BEATS > 1 << 24) begin : bad_input_beats
      $error("dataflow_call: INPUT_BEATS must be 1 to 2^24");
    end
    if (OUTPUT_BEATS < 1 || OUTPUT_BEATS > 1 << 24) begin : bad_output_beats
      $error("dataflow_call: OUTPUT_BEATS must be 1 to 2^24");
    end
  endgenerate

  // Bit `step - 1` of the constants is used in the step: the highest first.
  localparam logic [STEPS:0] INPUT_BITS = {INPUT_BEATS[STEPS-1:0], 1'b0};
  localparam logic [STEPS:0] OUTPUT_BITS = {OUTPUT_BEATS[STEPS-1:0], 1'b0};

  logic [STEP_BITS-1:0] step;
  logic bad_frames, issued;

  wire [32:0] more_input = {3'd0, input_beats, 1'b0} + (INPUT_BITS[step] ? {1'b0, frames} : 33'd0);
  wire [32:0] more_output = {3'd0, output_beats, 1'b0} +
      (OUTPUT_BITS[step] ? {1'b0, frames} : 33'd0);
  wire decide = running && step == '0 && !issued;

  assign commands_valid = decide && !bad_frames;
  assign finished = issued && commands_done;
  assign refused = decide && bad_frames;

  always_ff @(posedge aclk) begin
    if (!running) begin
      step <= STEP_BITS'(STEPS);
      input_beats <= '0;
      output_beats <= '0;
      bad_frames <= frames == '0;
      issued <= 1'b0;
    end else if (step != '0) begin
      step <= step - STEP_BITS'(1);
      input_beats <= more_input[28:0];
      output_beats <= more_output[28:0];
      bad_frames <= bad_frames || more_input[32:29] != '0 || more_output[32:29] != '0;
    end else begin
      issued <= 1'b1;
    end
  end

endmodule

`default_nettype wire
