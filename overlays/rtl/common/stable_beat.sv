// Simulation only: fails when a valid beat changes or goes away before it is taken.
`default_nettype none

module stable_beat #(
    parameter int WIDTH = 1  // bits of the payload: 1 or more
) (
    input wire             aclk,
    input wire             aresetn,
    input wire             valid,
    input wire             ready,
    input wire [WIDTH-1:0] payload
);

`ifndef SYNTHESIS
  logic waiting;
  logic [WIDTH-1:0] offered;

  always_ff @(posedge aclk) begin
    waiting <= aresetn && valid && !ready;
    offered <= payload;
    if (aresetn && waiting) begin
      assert (valid) else $error("%m: a valid beat was withdrawn before it was taken");
      assert (payload == offered) else $error("%m: a valid beat changed before it was taken");
    end
  end
`endif

endmodule

`default_nettype wire
