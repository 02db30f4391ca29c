// What moves between memory and core, and what waits: the bits of STALLED_PORTS.
`default_nettype none

module bus_watch (
    input wire m_axi_mem_arvalid,
    input wire m_axi_mem_arready,
    input wire m_axi_mem_rvalid,
    input wire m_axi_mem_rready,
    input wire m_axi_mem_awvalid,
    input wire m_axi_mem_awready,
    input wire m_axi_mem_wvalid,
    input wire m_axi_mem_wready,
    input wire m_axi_mem_bvalid,
    input wire m_axi_mem_bready,

    // What axi_reader and axi_writer say.
    input wire owed_read_data,
    input wire owed_write_data,
    input wire owed_write_answer,
    input wire reader_idle,
    input wire writer_idle,

    input wire core_in_valid,
    input wire core_in_ready,
    input wire core_out_valid,
    input wire core_out_ready,

    output wire         moving,  // a handshake on memory or core
    output logic [10:0] waiting
);

  wire moves_address = (m_axi_mem_arvalid && m_axi_mem_arready) ||
      (m_axi_mem_awvalid && m_axi_mem_awready);
  wire moves_data = (m_axi_mem_rvalid && m_axi_mem_rready) ||
      (m_axi_mem_wvalid && m_axi_mem_wready) || (m_axi_mem_bvalid && m_axi_mem_bready);
  wire moves_core = (core_in_valid && core_in_ready) || (core_out_valid && core_out_ready);
  assign moving = moves_address || moves_data || moves_core;

  always_comb begin
    waiting[bitfold_registers_pkg::STALLED_PORTS_AR_NOT_READY_BIT] =
        m_axi_mem_arvalid && !m_axi_mem_arready;
    waiting[bitfold_registers_pkg::STALLED_PORTS_R_NOT_VALID_BIT] =
        owed_read_data && !m_axi_mem_rvalid;
    waiting[bitfold_registers_pkg::STALLED_PORTS_R_NOT_READY_BIT] =
        m_axi_mem_rvalid && !m_axi_mem_rready;
    waiting[bitfold_registers_pkg::STALLED_PORTS_AW_NOT_READY_BIT] =
        m_axi_mem_awvalid && !m_axi_mem_awready;
    waiting[bitfold_registers_pkg::STALLED_PORTS_W_NOT_VALID_BIT] =
        owed_write_data && !m_axi_mem_wvalid;
    waiting[bitfold_registers_pkg::STALLED_PORTS_W_NOT_READY_BIT] =
        m_axi_mem_wvalid && !m_axi_mem_wready;
    waiting[bitfold_registers_pkg::STALLED_PORTS_B_NOT_VALID_BIT] =
        owed_write_answer && !m_axi_mem_bvalid;
    waiting[bitfold_registers_pkg::STALLED_PORTS_CORE_IN_NOT_VALID_BIT] =
        core_in_ready && !core_in_valid && !reader_idle;
    waiting[bitfold_registers_pkg::STALLED_PORTS_CORE_IN_NOT_READY_BIT] =
        core_in_valid && !core_in_ready;
    waiting[bitfold_registers_pkg::STALLED_PORTS_CORE_OUT_NOT_VALID_BIT] =
        core_out_ready && !core_out_valid && !writer_idle;
    waiting[bitfold_registers_pkg::STALLED_PORTS_CORE_OUT_NOT_READY_BIT] =
        core_out_valid && !core_out_ready;
  end

endmodule

`default_nettype wire
