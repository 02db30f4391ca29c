// The registers of an overlay (overlays/registers.py) behind an AXI4-Lite slave.
//
// Every access is answered with OKAY: a Zynq turns an error answer into a bus error that ends the
// program. An address without a register reads 0; a write to it, to a read-only register, or to a
// setting while a call runs changes nothing. A write takes two cycles and a read two, at least.
`default_nettype none

module axi_lite_registers #(
    // KIND_DATAFLOW or KIND_OFFLOAD; only the latter has what programs need.
    parameter logic [31:0] KIND = bitfold_registers_pkg::KIND_DATAFLOW,
    parameter int LAYERS = 0,        // what LAYERS reads: 0 to 480
    parameter int INPUT_BEATS = 0,   // what INPUT_BEATS reads: 0 to 2^24
    parameter int OUTPUT_BEATS = 0   // what OUTPUT_BEATS reads: 0 to 2^24
) (
    input wire aclk,
    input wire aresetn,

    input  wire  [11:0] s_axi_ctrl_awaddr,
    input  wire         s_axi_ctrl_awvalid,
    output logic        s_axi_ctrl_awready,
    input  wire  [31:0] s_axi_ctrl_wdata,
    input  wire  [ 3:0] s_axi_ctrl_wstrb,
    input  wire         s_axi_ctrl_wvalid,
    output logic        s_axi_ctrl_wready,
    output logic [ 1:0] s_axi_ctrl_bresp,
    output logic        s_axi_ctrl_bvalid,
    input  wire         s_axi_ctrl_bready,
    input  wire  [11:0] s_axi_ctrl_araddr,
    input  wire         s_axi_ctrl_arvalid,
    output logic        s_axi_ctrl_arready,
    output logic [31:0] s_axi_ctrl_rdata,
    output logic [ 1:0] s_axi_ctrl_rresp,
    output logic        s_axi_ctrl_rvalid,
    input  wire         s_axi_ctrl_rready,
    output logic        irq,                 // high while an enabled interrupt is pending

    output logic        start,       // one cycle
    output logic        soft_reset,  // one cycle
    output logic [31:0] source,
    output logic [31:0] destination,
    output logic [31:0] frames,
    output logic [31:0] program_address,
    output logic [31:0] program_length,
    output logic [31:0] destination_beats,
    output logic [31:0] watchdog_limit,

    input wire [127:0] build_id,
    input wire         ends,           // one cycle: a call ends
    input wire         idle,
    input wire         done,
    input wire         bus_stuck,
    input wire [  7:0] error,
    input wire [ 63:0] cycles,
    input wire [ 31:0] frames_in,
    input wire [ 31:0] frames_out,
    input wire [ 31:0] first_in,
    input wire [ 31:0] first_out,
    input wire [ 31:0] last_out,
    input wire [ 31:0] stalled_ports,

    // The layers' part of the map, from 0x100 on.
    output logic [ 9:0] layer_index,
    input  wire  [31:0] layer_count
);

  generate
    if (KIND != bitfold_registers_pkg::KIND_DATAFLOW &&
        KIND != bitfold_registers_pkg::KIND_OFFLOAD) begin : bad_kind
      $error("axi_lite_registers: KIND must be KIND_DATAFLOW or KIND_OFFLOAD");
    end
    if (LAYERS < 0 || LAYERS > 480) begin : bad_layers
      $error("axi_lite_registers: LAYERS must be 0 to 480");
    end
  endgenerate

  logic irq_enable, irq_pending;

  // Address and data are taken together, in the cycle after both stand, and then answered.
  logic write;
  wire [11:0] write_address = {s_axi_ctrl_awaddr[11:2], 2'b00};
  wire [11:0] read_address = {s_axi_ctrl_araddr[11:2], 2'b00};
  wire read = s_axi_ctrl_arvalid && s_axi_ctrl_arready;
  wire [3:0] unused_inputs = {s_axi_ctrl_awaddr[1:0], s_axi_ctrl_araddr[1:0]};

  assign s_axi_ctrl_awready = write;
  assign s_axi_ctrl_wready = write;
  assign s_axi_ctrl_bresp = 2'b00;
  assign s_axi_ctrl_arready = !s_axi_ctrl_rvalid;
  assign s_axi_ctrl_rresp = 2'b00;

  wire write_command = write && write_address == bitfold_registers_pkg::CONTROL_OFFSET &&
      s_axi_ctrl_wstrb[0];
  wire write_irq = write && write_address == bitfold_registers_pkg::IRQ_PENDING_OFFSET &&
      s_axi_ctrl_wstrb[0];

  assign soft_reset = write_command &&
      s_axi_ctrl_wdata[bitfold_registers_pkg::CONTROL_SOFT_RESET_BIT];
  assign start = write_command && !soft_reset &&
      s_axi_ctrl_wdata[bitfold_registers_pkg::CONTROL_START_BIT];

  always_ff @(posedge aclk) begin
    write <= s_axi_ctrl_awvalid && s_axi_ctrl_wvalid && !write &&
        (!s_axi_ctrl_bvalid || s_axi_ctrl_bready);
    if (write) s_axi_ctrl_bvalid <= 1'b1;
    else if (s_axi_ctrl_bready) s_axi_ctrl_bvalid <= 1'b0;

    if (write_command)
      irq_enable <= s_axi_ctrl_wdata[bitfold_registers_pkg::CONTROL_IRQ_ENABLE_BIT];
    if (soft_reset) irq_pending <= 1'b0;
    else if (ends) irq_pending <= 1'b1;
    else if (write_irq && s_axi_ctrl_wdata[bitfold_registers_pkg::IRQ_PENDING_DONE_BIT])
      irq_pending <= 1'b0;
    irq <= irq_pending && irq_enable;

    if (!aresetn) begin
      write <= 1'b0;
      s_axi_ctrl_bvalid <= 1'b0;
      irq_enable <= 1'b0;
      irq_pending <= 1'b0;
      irq <= 1'b0;
    end
  end

  wire write_setting = write && idle;

  always_ff @(posedge aclk) begin
    for (int lane = 0; lane < 4; lane++) begin
      if (write_setting && s_axi_ctrl_wstrb[lane]) begin
        case (write_address)
          bitfold_registers_pkg::SOURCE_OFFSET: source[8*lane+:8] <= s_axi_ctrl_wdata[8*lane+:8];
          bitfold_registers_pkg::DESTINATION_OFFSET:
          destination[8*lane+:8] <= s_axi_ctrl_wdata[8*lane+:8];
          bitfold_registers_pkg::FRAMES_OFFSET: frames[8*lane+:8] <= s_axi_ctrl_wdata[8*lane+:8];
          bitfold_registers_pkg::WATCHDOG_OFFSET:
          watchdog_limit[8*lane+:8] <= s_axi_ctrl_wdata[8*lane+:8];
          default: ;
        endcase
      end
    end

    if (!aresetn) begin
      source <= '0;
      destination <= '0;
      frames <= '0;
      watchdog_limit <= '0;
    end
  end

  generate
    if (KIND == bitfold_registers_pkg::KIND_OFFLOAD) begin : with_program
      always_ff @(posedge aclk) begin
        for (int lane = 0; lane < 4; lane++) begin
          if (write_setting && s_axi_ctrl_wstrb[lane]) begin
            case (write_address)
              bitfold_registers_pkg::PROGRAM_ADDRESS_OFFSET:
              program_address[8*lane+:8] <= s_axi_ctrl_wdata[8*lane+:8];
              bitfold_registers_pkg::PROGRAM_LENGTH_OFFSET:
              program_length[8*lane+:8] <= s_axi_ctrl_wdata[8*lane+:8];
              bitfold_registers_pkg::DESTINATION_BEATS_OFFSET:
              destination_beats[8*lane+:8] <= s_axi_ctrl_wdata[8*lane+:8];
              default: ;
            endcase
          end
        end

        if (!aresetn) begin
          program_address <= '0;
          program_length <= '0;
          destination_beats <= '0;
        end
      end
    end else begin : without_program
      assign program_address = '0;
      assign program_length = '0;
      assign destination_beats = '0;
    end
  endgenerate

  logic [31:0] status, read_data;

  assign layer_index = read_address[11:2] - bitfold_registers_pkg::LAYER_BUSY_OFFSET[11:2];

  always_comb begin
    status = '0;
    status[bitfold_registers_pkg::STATUS_IDLE_BIT] = idle;
    status[bitfold_registers_pkg::STATUS_DONE_BIT] = done;
    status[bitfold_registers_pkg::STATUS_BUS_STUCK_BIT] = bus_stuck;
    status[bitfold_registers_pkg::STATUS_ERROR_LOW+:bitfold_registers_pkg::STATUS_ERROR_WIDTH] =
        error;

    read_data = '0;
    case (read_address)
      bitfold_registers_pkg::MAGIC_OFFSET: read_data = bitfold_registers_pkg::MAGIC_VALUE;
      bitfold_registers_pkg::ABI_VERSION_OFFSET:
      read_data = bitfold_registers_pkg::ABI_VERSION_VALUE;
      bitfold_registers_pkg::KIND_OFFSET: read_data = KIND;
      bitfold_registers_pkg::LAYERS_OFFSET: read_data = 32'(LAYERS);
      bitfold_registers_pkg::BUILD_ID_0_OFFSET: read_data = build_id[31:0];
      bitfold_registers_pkg::BUILD_ID_1_OFFSET: read_data = build_id[63:32];
      bitfold_registers_pkg::BUILD_ID_2_OFFSET: read_data = build_id[95:64];
      bitfold_registers_pkg::BUILD_ID_3_OFFSET: read_data = build_id[127:96];
      bitfold_registers_pkg::CONTROL_OFFSET:
      read_data[bitfold_registers_pkg::CONTROL_IRQ_ENABLE_BIT] = irq_enable;
      bitfold_registers_pkg::STATUS_OFFSET: read_data = status;
      bitfold_registers_pkg::IRQ_PENDING_OFFSET:
      read_data[bitfold_registers_pkg::IRQ_PENDING_DONE_BIT] = irq_pending;
      bitfold_registers_pkg::SOURCE_OFFSET: read_data = source;
      bitfold_registers_pkg::DESTINATION_OFFSET: read_data = destination;
      bitfold_registers_pkg::FRAMES_OFFSET: read_data = frames;
      bitfold_registers_pkg::PROGRAM_ADDRESS_OFFSET: read_data = program_address;
      bitfold_registers_pkg::PROGRAM_LENGTH_OFFSET: read_data = program_length;
      bitfold_registers_pkg::DESTINATION_BEATS_OFFSET: read_data = destination_beats;
      bitfold_registers_pkg::WATCHDOG_OFFSET: read_data = watchdog_limit;
      bitfold_registers_pkg::CYCLES_LOW_OFFSET: read_data = cycles[31:0];
      bitfold_registers_pkg::CYCLES_HIGH_OFFSET: read_data = cycles[63:32];
      bitfold_registers_pkg::FRAMES_IN_OFFSET: read_data = frames_in;
      bitfold_registers_pkg::FRAMES_OUT_OFFSET: read_data = frames_out;
      bitfold_registers_pkg::INPUT_BEATS_OFFSET: read_data = 32'(INPUT_BEATS);
      bitfold_registers_pkg::OUTPUT_BEATS_OFFSET: read_data = 32'(OUTPUT_BEATS);
      bitfold_registers_pkg::FIRST_IN_OFFSET: read_data = first_in;
      bitfold_registers_pkg::FIRST_OUT_OFFSET: read_data = first_out;
      bitfold_registers_pkg::LAST_OUT_OFFSET: read_data = last_out;
      bitfold_registers_pkg::STALLED_PORTS_OFFSET: read_data = stalled_ports;
      default:
      if (read_address >= bitfold_registers_pkg::LAYER_BUSY_OFFSET) read_data = layer_count;
    endcase
  end

  always_ff @(posedge aclk) begin
    if (read) begin
      s_axi_ctrl_rvalid <= 1'b1;
      s_axi_ctrl_rdata <= read_data;
    end else if (s_axi_ctrl_rready) begin
      s_axi_ctrl_rvalid <= 1'b0;
    end

    if (!aresetn) s_axi_ctrl_rvalid <= 1'b0;
  end

  stable_beat #(.WIDTH(1)) b_is_stable (
      .aclk,
      .aresetn,
      .valid(s_axi_ctrl_bvalid),
      .ready(s_axi_ctrl_bready),
      .payload(1'b0)
  );
  stable_beat #(.WIDTH(32)) r_is_stable (
      .aclk,
      .aresetn,
      .valid(s_axi_ctrl_rvalid),
      .ready(s_axi_ctrl_rready),
      .payload(s_axi_ctrl_rdata)
  );

endmodule

`default_nettype wire
